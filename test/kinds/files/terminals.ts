import { existsSync } from "node:fs"
import { fd_types, type file_entry } from "../../../proto/gen/fdinfo_pb.ts"
import type { fown_entry } from "../../../proto/gen/fown_pb.ts"
import { TtyType, type termios_entry, type tty_info_entry } from "../../../proto/gen/tty_pb.ts"
import { infoId } from "../../../src/kinds/files/tty/driver.ts"

const fown: fown_entry = { uid: 0, euid: 0, signum: 0, pid_type: 0, pid: 0 }
const [PTMX, SLAVE] = [0x502, 136 << 8] as const
/** Terminals can be opened here. */
export const canOpen = existsSync("/dev/ptmx") && process.getuid?.() === 0
export const why = canOpen ? "" : " (skipped: needs root and /dev/ptmx)"
/** Numbers that nobody else has now: the kernel hands out the lowest free one. */
export const [FIRST, SECOND] = [40, 41] as const

const size = { ws_row: 24, ws_col: 80, ws_xpixel: 1, ws_ypixel: 2 }
/** A mode without anything. */
export const unlocked: termios_entry = {
  c_iflag: 0,
  c_oflag: 0,
  c_cflag: 0,
  c_lflag: 0,
  c_line: 0,
  c_ispeed: 0,
  c_ospeed: 0,
  c_cc: Array(19).fill(0),
}
/** VINTR 3, VEOF 4, VMIN 1. */
export const cooked: termios_entry = {
  ...unlocked,
  c_iflag: 0x500,
  c_oflag: 5,
  c_cflag: 0xbf,
  c_lflag: 0x8a3b,
  c_cc: [0x157f1c03, 0x10004, ...Array(17).fill(0)],
}

/** The state of one end of a pseudo-terminal. */
export function info(index: number, master: boolean, more: Partial<tty_info_entry> = {}): tty_info_entry {
  const flags = { locked: false, exclusive: false, packet_mode: false, sid: 0, pgrp: 0 }
  const settings = { termios: cooked, termios_locked: unlocked, winsize: size }
  return {
    id: infoId(index, master),
    type: TtyType.PTY,
    ...flags,
    rdev: master ? PTMX : SLAVE + index,
    ...settings,
    pty: { index },
    ...more,
  }
}

/** The state of a slave whose master is gone. */
export const hungUp = (index: number): tty_info_entry => {
  const { termios: _, termios_locked: __, winsize: ___, ...rest } = info(index, false)
  return rest
}

/** A path in files.img. */
export const path = (id: number, name: string, mode = 0o20620): file_entry => ({
  type: fd_types.REG,
  id,
  reg: { id, flags: 2, pos: 0n, fown, name, mode, build_id: [] },
})
/** An open terminal in files.img. */
export const tty = (id: number, tty_info_id: number, regf_id: number, flags = 2): file_entry => ({
  type: fd_types.TTY,
  id,
  tty: { id, tty_info_id, flags, fown, regf_id },
})

/** Images of these files. */
export function imagesOf(
  files: readonly file_entry[],
  ttyInfos: readonly tty_info_entry[],
  ttyData: { tty_id: number; data: Uint8Array }[] = [],
) {
  return {
    files: new Map(files.map((file) => [file.id, file])),
    ttyInfos,
    ttyData,
    tcpStreams: new Map(),
    extension: [] as { id: number; tty_peer_closed?: boolean }[],
  }
}

/** Master and slave with the number FIRST. */
export const pair = (more: Partial<tty_info_entry> = {}) =>
  imagesOf(
    [
      tty(1, infoId(FIRST, true), 2),
      path(2, "/dev/ptmx", 0o20666),
      tty(3, infoId(FIRST, false), 4, 0o104000),
      path(4, `/dev/pts/${FIRST}`, 0o20604),
    ],
    [info(FIRST, true, { ...more }), info(FIRST, false, { ...more, locked: false, uid: 12, gid: 34 })],
  )
