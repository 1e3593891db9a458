import { parseBitList } from "../../../proc/bitlist.ts"
import { readBytesIfAlive } from "../../../proc/source.ts"

/** Bytes of the largest node mask that kernels are built with: 1,024 nodes. */
const NODES_SIZE = 128

/** Memory nodes of this host, "possible" or those that have memory; all when sysfs does not tell. */
export function readNodes(which: "possible" | "has_memory"): Uint8Array {
  const text = readBytesIfAlive(`/sys/devices/system/node/${which}`)
  return text ? parseBitList(text.toString(), NODES_SIZE) : new Uint8Array(NODES_SIZE).fill(0xff)
}

let withMemory: Uint8Array | undefined
/** Nodes of this host that have memory, read once. */
export const nodesWithMemory = (): Uint8Array => {
  withMemory ??= readNodes("has_memory")
  return withMemory
}

/** A mask without the zeros at its end. */
export const trimmed = (mask: Uint8Array): Uint8Array => mask.slice(0, mask.findLastIndex((byte) => byte !== 0) + 1)
