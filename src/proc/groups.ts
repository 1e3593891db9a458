import { procPath, readBytesIfAlive } from "./source.ts"
import { lines, words } from "./text.ts"

/** A multicast group that a network device listens to. */
export interface Group {
  /** Number of the device. */
  readonly index: number
  /** In network order, 4 or 16 bytes. */
  readonly address: Uint8Array
}

const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"))

/** /proc/net/igmp -> groups of IPv4, which it shows as words of the machine's order. Kernel: net/ipv4/igmp.c igmp_mc_seq_show() */
export function parseGroups4(text: string): Group[] {
  let index = 0
  return lines(text).flatMap((line) => {
    const [first = ""] = words(line)
    if (/^[0-9A-F]{8}$/.test(first) && /^\s/.test(line)) return [{ index, address: bytesOf(first).reverse() }]
    if (/^[0-9]+$/.test(first)) index = Number(first)
    return []
  })
}

/** /proc/net/igmp6 -> groups of IPv6. Kernel: net/ipv6/mcast.c igmp6_mc_seq_show() */
export const parseGroups6 = (text: string): Group[] =>
  lines(text).flatMap((line) => {
    const [index, , address] = words(line)
    return address === undefined ? [] : [{ index: Number(index), address: bytesOf(address) }]
  })

/** Groups of the tool's network namespace; none on a kernel without multicast. @throws CheckpointError E_PERMISSION · E_IO */
export function readGroups(): Group[] {
  const read = (name: string): string => readBytesIfAlive(procPath(process.pid, undefined, `net/${name}`))?.toString("latin1") ?? ""
  return [...parseGroups4(read("igmp")), ...parseGroups6(read("igmp6"))]
}
