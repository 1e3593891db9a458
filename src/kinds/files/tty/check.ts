import { NCCS } from "../../../../ffi/abi/tty.ts"
import type { file_entry } from "../../../../proto/gen/fdinfo_pb.ts"
import type { tty_file_entry, tty_info_entry } from "../../../../proto/gen/tty_pb.ts"
import { CheckpointError, damagedImage } from "../../../base/errors.ts"
import { inheritOption, terminalName } from "../external.ts"
import { isMasterInfo, masterOfSession, type Role, roleOf } from "./driver.ts"

/** Words of c_cc that hold its bytes. */
const CC_WORDS = Math.ceil(NCCS / 4)
/** Largest number of a pseudo-terminal. Kernel: fs/devpts/inode.c NR_UNIX98_PTY_MAX */
const MOST = 1 << 20

/**
 * Checks that a terminal can be had.
 *
 * @returns how it comes back
 * @throws CheckpointError E_IMAGE_CORRUPT · E_IMAGE_UNSUPPORTED · E_USAGE without --shell-job · E_RESTORE there is no terminal to inherit
 */
export function checkTty(
  { id, tty_info_id, regf_id }: tty_file_entry,
  infos: ReadonlyMap<number, tty_info_entry>,
  files: ReadonlyMap<number, file_entry>,
  options: { readonly shellJob: boolean; readonly terminal: boolean; readonly isGiven: boolean },
): Role {
  const action = `Cannot restore terminal ${id} of files.img`
  const corrupt = (found: string) => damagedImage(action, found)
  const info = infos.get(tty_info_id)
  if (!info) throw corrupt(`tty-info.img has no terminal ${tty_info_id}`)
  checkInfo(info, corrupt)
  const role = roleOf(info, infos)
  if (!role) throw new CheckpointError("E_IMAGE_UNSUPPORTED", action, `it is of type ${info.type}`, "Restore this image with CRIU")
  if (role === "given" || options.isGiven) {
    if (options.isGiven) return "given"
    const option = inheritOption(terminalName(info.rdev, info.dev ?? 0))
    throw new CheckpointError("E_USAGE", action, "it was left outside (--external)", `Give ${option}, where N is a terminal of yours`)
  }
  if (!files.get(regf_id ?? 0)?.reg) throw corrupt("it has no path")
  if (role !== "inherited" && (role !== "named" || masterOfSession(info.sid, infos))) return role
  if (!options.shellJob)
    throw new CheckpointError("E_USAGE", action, "the program runs on a terminal", "Give --shell-job (-j), from a terminal")
  if (role === "inherited" && !options.terminal)
    throw new CheckpointError(
      "E_RESTORE",
      action,
      "standard input of stasis is no terminal, so there is none to take over",
      "Restore from a terminal",
    )
  return role
}

function checkInfo(info: tty_info_entry, corrupt: (found: string) => CheckpointError): void {
  const { termios, termios_locked, winsize, pty } = info
  const parts = [termios, termios_locked, winsize].filter((part) => part !== undefined).length
  if (parts !== 0 && parts !== 3) throw corrupt("its mode is not complete")
  for (const mode of [termios, termios_locked])
    if (mode && mode.c_cc.length < CC_WORDS) throw corrupt("its control characters are not complete")
  if (isMasterInfo(info) && parts === 0) throw corrupt("it is a master without a mode")
  if (info.type === 1 && (pty === undefined || pty.index >= MOST)) throw corrupt(`it is pseudo-terminal number ${pty?.index ?? "none"}`)
}
