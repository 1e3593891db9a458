import type { Range } from "../base/units.ts"
import { expectAlive, textReader } from "./source.ts"
import { cutDeleted } from "./text.ts"

/** One line of /proc/PID/maps. See proc_pid_maps(5). */
export interface Mapping extends Range {
  readonly read: boolean
  readonly write: boolean
  readonly exec: boolean
  /** MAP_SHARED; printed "s", against "p". */
  readonly shared: boolean
  /** Bytes into the file. */
  readonly offset: bigint
  readonly devMajor: number
  readonly devMinor: number
  /** 0 = no file behind it. */
  readonly inode: bigint
  /** File name, "[heap]", "[anon:name]" ..., or "" for a mapping without a name. Newlines are decoded, " (deleted)" is cut off. */
  readonly path: string
  /** The name ended in " (deleted)". A living file may be called so: compare device and inode of the path before you believe it. */
  readonly deleted: boolean
}

/** Which file or memory a mapping shows, as one word; a path beside it tells subvolumes apart. */
export const mappedInode = ({ devMajor, devMinor, inode }: Pick<Mapping, "devMajor" | "devMinor" | "inode">): string =>
  `${devMajor}:${devMinor}:${inode}`

/**
 * The link to the file of a mapping, which only CAP_CHECKPOINT_RESTORE may follow; anybody who may trace may read it. Man page:
 * proc_pid_map_files(5)
 */
export const mapLink = (pid: number | "self", { start, end }: Pick<Mapping, "start" | "end">): string =>
  `/proc/${pid}/map_files/${start.toString(16)}-${end.toString(16)}`

const SPACE = 0x20

/**
 * One maps line, `text[from, to)` without its newline.
 *
 * The kernel escapes only the newline (as \012), not the backslash: a file whose name holds those four characters is
 * not told apart; its link in map_files is exact. Kernel: fs/proc/task_mmu.c show_map_vma()
 */
export function parseMapping(text: string, from: number, to: number): Mapping {
  const dash = text.indexOf("-", from)
  const flags = text.indexOf(" ", dash) + 1
  const offset = flags + 5
  const device = text.indexOf(" ", offset) + 1
  const colon = text.indexOf(":", device)
  const inode = text.indexOf(" ", colon) + 1
  const blank = text.indexOf(" ", inode)
  const inodeEnd = blank < 0 || blank > to ? to : blank
  let name = inodeEnd
  while (name < to && text.charCodeAt(name) === SPACE) name++
  const raw = text.slice(name, to)
  const { path, deleted } = cutDeleted(raw.includes("\\012") ? raw.replaceAll("\\012", "\n") : raw)
  return {
    start: hexAt(text, from, dash),
    end: hexAt(text, dash + 1, flags - 1),
    read: text[flags] === "r",
    write: text[flags + 1] === "w",
    exec: text[flags + 2] === "x",
    shared: text[flags + 3] === "s",
    offset: hexAt(text, offset, device - 1),
    devMajor: Number.parseInt(text.slice(device, colon), 16),
    devMinor: Number.parseInt(text.slice(colon + 1, inode - 1), 16),
    inode: BigInt(text.slice(inode, inodeEnd)),
    path,
    deleted,
  }
}

/** Hexadecimal digits `text[from, to)`. parseInt is exact to 53 bits and a third faster than BigInt("0x..."). */
function hexAt(text: string, from: number, to: number): bigint {
  const digits = text.slice(from, to)
  return digits.length <= 13 ? BigInt(Number.parseInt(digits, 16)) : BigInt(`0x${digits}`)
}

/** /proc/PID/maps -> its mappings, lowest address first. @param part of the lines that count */
export function parseMaps(text: string, part = ""): Mapping[] {
  const mappings: Mapping[] = []
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf("\n", at)
    const to = end < 0 ? text.length : end
    if (part === "" || text.slice(at, to).includes(part)) mappings.push(parseMapping(text, at, to))
    at = to + 1
  }
  return mappings
}

/**
 * Mappings of a process, through a thread when `tid` is given (a leader that has exited shows none); null when it is gone.
 * Each page of the file is consistent, the whole only while the process is stopped.
 * @throws CheckpointError E_PERMISSION · E_IO
 */
export const readMapsIfAlive = textReader("maps", (text) => parseMaps(text))

/** As `readMapsIfAlive`. @throws CheckpointError E_NO_PROCESS when it is gone */
export const readMaps = expectAlive("maps", readMapsIfAlive)

/** Mappings of this tool, which has hundreds, whose lines have this part: "[v" for those of the kernel, " /" for files. */
export const readOwnMaps = (part: string): Mapping[] => textReader("maps", (text) => parseMaps(text, part))(process.pid) ?? []
