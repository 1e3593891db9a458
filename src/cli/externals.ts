import type { DumpOptions, RestoreOptions } from "../flow/options.ts"
import { misused } from "./refuse.ts"
import type { Canonical } from "./spelling.ts"
import { texts } from "./values.ts"

/** What --external may name at a dump. Hexadecimal where CRIU's names are. */
const NAMES = [
  { form: /^unix\[\d{1,10}\]$/, word: "unix[INODE]" },
  { form: /^tty\[[0-9a-f]{1,8}:[0-9a-f]{1,8}\]$/, word: "tty[RDEV:DEV]" },
  { form: /^file\[[0-9a-f]{1,8}:[0-9a-f]{1,16}\]$/, word: "file[MOUNT:INODE]" },
  { form: /^dev\[\d{1,4}\/\d{1,7}\](?::.*)?$/, word: "dev[MAJOR/MINOR]" },
] as const

/** What may be left outside by a dump: --external, and the inodes of --ext-unix-sk=INODE,... @throws CheckpointError E_USAGE */
export function externalOptions(line: Canonical): Pick<DumpOptions, "extUnixSk" | "externals"> & { externalUnix: number[] } {
  const externals = texts(line, "external")
  const unknown = externals.find((value) => !NAMES.some(({ form }) => form.test(value)))
  if (unknown !== undefined)
    throw misused(
      line.command,
      `--external "${unknown}" names nothing that can be left outside`,
      `Write one of ${NAMES.map(({ word }) => word).join(", ")}`,
    )
  const sockets = externals.flatMap((value) => /^unix\[(\d+)\]$/.exec(value)?.[1] ?? [])
  const unix = texts(line, "ext-unix-sk")
  const listed = unix.flatMap((value) => value.split(",").filter((inode) => inode !== ""))
  const wrong = listed.find((inode) => !/^\d{1,10}$/.test(inode))
  if (wrong !== undefined) throw misused(line.command, `--ext-unix-sk "${wrong}" is no inode`, "Write --ext-unix-sk=INODE,..., or nothing")
  const others = externals.filter((value) => !value.startsWith("unix["))
  return { extUnixSk: unix.length > 0, externals: others, externalUnix: [...sockets, ...listed].map(Number) }
}

/** What begins like a word of --inherit-fd and is none: as the path that it would be, it would be found nowhere. */
const isMisspelt = (resource: string): boolean =>
  /^(pipe|socket|tty|file|unix)[:[]/.test(resource) && !/^((pipe|socket):\[\d+\]|(tty|file)\[[0-9a-f]+:[0-9a-f]+\])$/.test(resource)

/** Descriptors of ours that stand for resources: --inherit-fd fd[N]:RESOURCE. @throws CheckpointError E_USAGE */
export function inheritFds(line: Canonical): RestoreOptions["inheritFds"] {
  const given = texts(line, "inherit-fd").map((value) => {
    const [, fd, resource = ""] = /^fd\[(\d{1,9})\]:(.+)$/s.exec(value) ?? []
    if (fd === undefined || isMisspelt(resource))
      throw misused(
        line.command,
        `--inherit-fd "${value}" names no descriptor and resource`,
        "Write fd[N]:RESOURCE, where RESOURCE is pipe:[INODE], socket:[INODE], tty[RDEV:DEV], file[MOUNT:INODE] or a path",
      )
    return { fd: Number(fd), resource: resource.replace(/^\//, "") }
  })
  const twice = given.find(({ resource }, index) => given.findIndex((other) => other.resource === resource) !== index)
  if (twice) throw misused(line.command, `Two descriptors are given for "${twice.resource}"`, "Give one: an open file is one thing")
  return given
}
