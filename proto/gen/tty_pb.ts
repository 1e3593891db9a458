// Made from proto/tty.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"
import { fown_entrySchema, type fown_entry } from "./fown_pb.ts"

/** Kind of terminal behind a tty_info_entry. */
export enum TtyType {
  UNKNOWN = 0,
  PTY = 1,
  CONSOLE = 2,
  VT = 3,
  CTTY = 4,
  EXT_TTY = 5,
  SERIAL = 6,
}

/** struct winsize. */
export interface winsize_entry {
  ws_row: number
  ws_col: number
  ws_xpixel: number
  ws_ypixel: number
}
export const winsize_entrySchema: Schema<winsize_entry> = schema("winsize_entry", () => [
  { number: 1, name: "ws_row", type: "uint32", label: "required" },
  { number: 2, name: "ws_col", type: "uint32", label: "required" },
  { number: 3, name: "ws_xpixel", type: "uint32", label: "required" },
  { number: 4, name: "ws_ypixel", type: "uint32", label: "required" },
])

/** struct termios; c_cc has 19 bytes, one a word. */
export interface termios_entry {
  c_iflag: number
  c_oflag: number
  c_cflag: number
  c_lflag: number
  c_line: number
  c_ispeed: number
  c_ospeed: number
  c_cc: number[]
}
export const termios_entrySchema: Schema<termios_entry> = schema("termios_entry", () => [
  { number: 1, name: "c_iflag", type: "uint32", label: "required" },
  { number: 2, name: "c_oflag", type: "uint32", label: "required" },
  { number: 3, name: "c_cflag", type: "uint32", label: "required" },
  { number: 4, name: "c_lflag", type: "uint32", label: "required" },
  { number: 5, name: "c_line", type: "uint32", label: "required" },
  { number: 6, name: "c_ispeed", type: "uint32", label: "required" },
  { number: 7, name: "c_ospeed", type: "uint32", label: "required" },
  { number: 8, name: "c_cc", type: "uint32", label: "repeated" },
])

/** Number of a pseudo-terminal. */
export interface tty_pty_entry {
  index: number
}
export const tty_pty_entrySchema: Schema<tty_pty_entry> = schema("tty_pty_entry", () => [
  { number: 1, name: "index", type: "uint32", label: "required" },
])

/** tty-data.img, one entry per terminal with queued output; no payload, bytes are in data. */
export interface tty_data_entry {
  tty_id: number
  data: Uint8Array
}
export const tty_data_entrySchema: Schema<tty_data_entry> = schema("tty_data_entry", () => [
  { number: 1, name: "tty_id", type: "uint32", label: "required" },
  { number: 2, name: "data", type: "bytes", label: "required" },
])

/** tty-info.img, one entry per terminal. */
export interface tty_info_entry {
  id: number
  type: TtyType
  locked: boolean
  exclusive: boolean
  packet_mode: boolean
  sid: number
  pgrp: number
  rdev: number
  termios?: termios_entry
  termios_locked?: termios_entry
  winsize?: winsize_entry
  pty?: tty_pty_entry
  dev?: number
  uid?: number
  gid?: number
}
export const tty_info_entrySchema: Schema<tty_info_entry> = schema("tty_info_entry", () => [
  { number: 1, name: "id", type: "uint32", label: "required" },
  { number: 2, name: "type", type: "enum", label: "required", values: TtyType },
  { number: 3, name: "locked", type: "bool", label: "required" },
  { number: 4, name: "exclusive", type: "bool", label: "required" },
  { number: 5, name: "packet_mode", type: "bool", label: "required" },
  { number: 6, name: "sid", type: "uint32", label: "required" },
  { number: 7, name: "pgrp", type: "uint32", label: "required" },
  { number: 8, name: "rdev", type: "uint32", label: "required" },
  { number: 9, name: "termios", type: "message", label: "optional", message: () => termios_entrySchema },
  { number: 10, name: "termios_locked", type: "message", label: "optional", message: () => termios_entrySchema },
  { number: 11, name: "winsize", type: "message", label: "optional", message: () => winsize_entrySchema },
  { number: 12, name: "pty", type: "message", label: "optional", message: () => tty_pty_entrySchema },
  { number: 13, name: "dev", type: "uint32", label: "optional" },
  { number: 14, name: "uid", type: "uint32", label: "optional" },
  { number: 15, name: "gid", type: "uint32", label: "optional" },
])

/** file_entry.tty. */
export interface tty_file_entry {
  id: number
  tty_info_id: number
  flags: number
  fown: fown_entry
  regf_id?: number
}
export const tty_file_entrySchema: Schema<tty_file_entry> = schema("tty_file_entry", () => [
  { number: 1, name: "id", type: "uint32", label: "required" },
  { number: 2, name: "tty_info_id", type: "uint32", label: "required" },
  { number: 3, name: "flags", type: "uint32", label: "required" },
  { number: 4, name: "fown", type: "message", label: "required", message: () => fown_entrySchema },
  { number: 6, name: "regf_id", type: "uint32", label: "optional" },
])
