import { expectAlive, textReader } from "./source.ts"
import { decodeEscapes, lines } from "./text.ts"

/** One mount of /proc/PID/mountinfo, in mounting order. See proc_pid_mountinfo(5). */
export interface Mount {
  readonly id: number
  readonly parentId: number
  readonly devMajor: number
  readonly devMinor: number
  /** Path in the file system that is mounted here; ends in "//deleted" when it was removed. */
  readonly root: string
  /** Path from the process's root. Octal escapes are decoded here and below. */
  readonly point: string
  /** Options of the mount: "rw", "noatime" ... */
  readonly options: readonly string[]
  /** Peer group IDs, or null. */
  readonly shared: number | null
  readonly master: number | null
  readonly propagateFrom: number | null
  readonly unbindable: boolean
  /** "ext4", or with a subtype "fuse.sshfs". */
  readonly type: string
  readonly source: string
  /** Options of the file system. */
  readonly superOptions: readonly string[]
}

/** Device of a mount's file system in the kernel's form, major<<20 | minor. */
export const deviceOf = ({ devMajor, devMinor }: Pick<Mount, "devMajor" | "devMinor">): number => ((devMajor << 20) | devMinor) >>> 0

/** /proc/PID/mountinfo -> its mounts. Kernel: fs/proc_namespace.c show_mountinfo() */
export function parseMountinfo(text: string): Mount[] {
  return lines(text).map((line) => {
    // Every blank inside a field is escaped as \040, so that single blanks divide the fields; an empty source leaves two.
    const fields = line.split(" ")
    const dash = fields.indexOf("-", 6)
    const tags = fields.slice(6, dash)
    const tag = (name: string): number | null => {
      const found = tags.find((word) => word.startsWith(`${name}:`))
      return found === undefined ? null : Number(found.slice(name.length + 1))
    }
    const field = (index: number) => decodeEscapes(fields[index] ?? "")
    const [major = "0", minor = "0"] = field(2).split(":")
    return {
      id: Number(fields[0]),
      parentId: Number(fields[1]),
      devMajor: Number(major),
      devMinor: Number(minor),
      root: field(3),
      point: field(4),
      options: (fields[5] ?? "").split(",").map(decodeEscapes),
      shared: tag("shared"),
      master: tag("master"),
      propagateFrom: tag("propagate_from"),
      unbindable: tags.includes("unbindable"),
      type: field(dash + 1),
      source: field(dash + 2),
      superOptions: (fields[dash + 3] ?? "").split(",").map(decodeEscapes),
    }
  })
}

/** Mounts that a process sees; null when it is gone. @throws CheckpointError E_PERMISSION · E_IO */
const readMountinfoIfAlive = textReader("mountinfo", parseMountinfo)
/** As `readMountinfoIfAlive`. @throws CheckpointError E_NO_PROCESS */
export const readMountinfo = expectAlive("mountinfo", readMountinfoIfAlive)
