import { bytesReader, expectAlive } from "./source.ts"

/** AT_* types of pairs that something here looks for. Header: include/uapi/linux/auxvec.h */
export const AUXV = {
  NULL: 0n,
  PAGESZ: 6n,
  BASE: 7n,
  RSEQ_FEATURE_SIZE: 27n,
  RSEQ_ALIGN: 28n,
} as const

/** The auxiliary vector as it stands in memory. */
interface Auxv {
  /** Every 8-byte word up to and with the AT_NULL pair. */
  readonly words: readonly bigint[]
  /** Pairs in order, without AT_NULL. */
  readonly pairs: readonly (readonly [type: bigint, value: bigint])[]
  /** Value of the first pair of this type, or null. */
  readonly value: (type: bigint) => bigint | null
}

/** /proc/PID/auxv of a 64-bit process -> its pairs. Kernel: fs/proc/base.c auxv_read() */
export function parseAuxv(bytes: Uint8Array): Auxv {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const words: bigint[] = []
  const pairs: (readonly [bigint, bigint])[] = []
  for (let at = 0; at + 16 <= bytes.byteLength; at += 16) {
    const type = view.getBigUint64(at, true)
    const value = view.getBigUint64(at + 8, true)
    words.push(type, value)
    if (type === AUXV.NULL) break
    pairs.push([type, value])
  }
  return { words, pairs, value: (type) => pairs.find(([found]) => found === type)?.[1] ?? null }
}

/** Auxiliary vector of a process; null when it is gone, empty for a kernel thread or zombie. @throws CheckpointError E_PERMISSION · E_IO */
const readAuxvIfAlive = bytesReader("auxv", parseAuxv)

/** As `readAuxvIfAlive`. @throws CheckpointError E_NO_PROCESS when it is gone */
export const readAuxv = expectAlive("auxv", readAuxvIfAlive)
