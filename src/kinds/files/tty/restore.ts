import { AT } from "../../../../ffi/abi/file.ts"
import { NCCS, TERMIOS_CC, TTY_IOCTL, termios } from "../../../../ffi/abi/tty.ts"
import { encode } from "../../../../ffi/layout.ts"
import type { file_entry } from "../../../../proto/gen/fdinfo_pb.ts"
import type { termios_entry, tty_file_entry, tty_info_entry } from "../../../../proto/gen/tty_pb.ts"
import { CheckpointError } from "../../../base/errors.ts"
import type { Result } from "../../../tracee/program.ts"
import type { Restoring } from "../kind.ts"
import { openFlags, openRegular } from "../open.ts"
import { driverOfType } from "./driver.ts"

/** What a terminal needs of a restore. */
type Terminals = Pick<Restoring, "program" | "files" | "ttyInfos" | "terminal" | "configuredTtys">

/** The mode as TCSETS takes it. */
function termiosBytes({ c_iflag, c_oflag, c_cflag, c_lflag, c_line, c_cc }: termios_entry): Uint8Array {
  const bytes = encode(termios, { c_iflag, c_oflag, c_cflag, c_lflag, c_line })
  bytes.set(new Uint8Array(Uint32Array.from(c_cc).buffer).subarray(0, NCCS), TERMIOS_CC)
  return bytes
}

/**
 * An entry -> an open terminal appended to the program: a pseudo-terminal becomes the one that stasis runs on, others are opened by
 * their paths. Its mode is set, its size stays what the window has. Mirror: ./collect.ts
 *
 * Precondition: SIGTTOU is blocked or the process is in the foreground, else setting the mode stops it (termios(3)).
 */
export function restoreTty({ id, tty_info_id, flags, regf_id }: tty_file_entry, restoring: Terminals): Result {
  const { program, files, ttyInfos, terminal, configuredTtys } = restoring
  const info = ttyInfos.get(tty_info_id)
  const reg = files.get(regf_id ?? 0)?.reg
  const about = `terminal ${reg?.name ?? id}`
  const inherited = info && driverOfType(info.type)?.inherited
  if (inherited ? terminal === undefined : !reg) throw new Error(`Unreachable: ${about} was not checked`)
  const fd =
    inherited || !reg
      ? program.callWith({ about }, "openat", AT.FDCWD, program.string(`/proc/self/fd/${terminal}`), openFlags(flags), 0)
      : openRegular(program, reg, flags)
  if (info?.termios && !configuredTtys.has(tty_info_id)) {
    configuredTtys.add(tty_info_id)
    program.callWith(
      { about: `the mode of ${about}`, mayFail: true },
      "ioctl",
      fd,
      TTY_IOCTL.TCSETS,
      program.bytes(termiosBytes(info.termios)),
    )
  }
  return fd
}

/**
 * Checks that a terminal can be had.
 *
 * @throws CheckpointError E_IMAGE_CORRUPT · E_IMAGE_UNSUPPORTED · E_USAGE without --shell-job · E_RESTORE there is no terminal to inherit
 */
export function checkTty(
  { id, tty_info_id, regf_id }: tty_file_entry,
  infos: ReadonlyMap<number, tty_info_entry>,
  files: ReadonlyMap<number, file_entry>,
  options: { readonly shellJob: boolean; readonly terminal: boolean },
): void {
  const action = `Cannot restore terminal ${id} of files.img`
  const corrupt = (found: string) =>
    new CheckpointError("E_IMAGE_CORRUPT", action, found, "Dump the program again: this image was damaged or changed")
  const info = infos.get(tty_info_id)
  if (!info) throw corrupt(`tty-info.img has no terminal ${tty_info_id}`)
  const { termios: mode, termios_locked, winsize } = info
  if (mode && (!termios_locked || !winsize || mode.c_cc.length < NCCS)) throw corrupt("its mode is not complete")
  const driver = driverOfType(info.type)
  const next = "Restore this image with CRIU"
  if (!driver) throw new CheckpointError("E_IMAGE_UNSUPPORTED", action, "it is an external terminal", next)
  const isMaster = tty_info_id % 2 === 1
  if (isMaster)
    throw new CheckpointError("E_IMAGE_UNSUPPORTED", action, "it is the master of a pseudo-terminal, which is not supported yet", next)
  if (!driver.inherited && !files.get(regf_id ?? 0)?.reg) throw corrupt("it has no path")
  if (!options.shellJob)
    throw new CheckpointError("E_USAGE", action, "the program runs on a terminal", "Give --shell-job (-j), from a terminal")
  if (driver.inherited && !options.terminal)
    throw new CheckpointError(
      "E_RESTORE",
      action,
      "standard input of stasis is no terminal, so there is none to take over",
      "Restore from a terminal",
    )
}
