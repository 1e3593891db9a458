import type { FdInfo } from "./fdinfo.ts"
import { words } from "./text.ts"

/** One watched descriptor of an epoll. */
export interface EpollTarget {
  /** Number in the process that added it; it may have been closed or reused since. */
  readonly tfd: number
  /** EPOLL* bits. */
  readonly events: number
  readonly data: bigint
  /** Position of the watched file, bytes. */
  readonly pos: bigint
  readonly ino: bigint
  /** Device in the kernel's form, major<<20 | minor. */
  readonly sdev: number
}

/** "tfd:" lines, in the kernel's order. Kernel: fs/eventpoll.c ep_show_fdinfo(), pos/ino/sdev since Linux 4.13 */
export function epollTargets({ lines }: Pick<FdInfo, "lines">): EpollTarget[] {
  return lines.filter((line) => line.startsWith("tfd:")).map(target)
}

function target(line: string): EpollTarget {
  const values = new Map<string, string>()
  // Some values stand after a blank ("events:       19"), some do not ("pos:0").
  for (const word of words(line.replace(/:[ \t]+/g, ":"))) {
    const colon = word.indexOf(":")
    values.set(word.slice(0, colon), word.slice(colon + 1))
  }
  const hex = (key: string) => BigInt(`0x${values.get(key) ?? "0"}`)
  return {
    tfd: Number(values.get("tfd")),
    events: Number(hex("events")),
    data: hex("data"),
    pos: BigInt(values.get("pos") ?? "0"),
    ino: hex("ino"),
    sdev: Number(hex("sdev")),
  }
}
