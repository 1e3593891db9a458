import { RSEQ_ORIGINAL_SIZE, rseqArea, rseqDescriptor } from "../../ffi/abi/rseq.ts"
import { decode } from "../../ffi/layout.ts"
import { PAGE_SIZE, type RemoteAddress, remoteAddress } from "../base/units.ts"
import type { FrozenThread } from "../tracee/frozen.ts"
import { readMemoryIfMapped } from "../tracee/memory.ts"
import { settled, taskSize } from "./arch.x86_64.ts"
import { classify, UNREGISTERED } from "./classify.ts"
import type { Discovery, Regime, RseqState } from "./state.ts"

/** Reads from the address space of a stopped process; undefined where it cannot. */
export type Reader = (from: RemoteAddress, length: number) => Uint8Array | undefined

/**
 * How much of an area is looked at, bytes. A program may register any length up to 4 GiB, of which the kernel knows the beginning alone.
 *
 * @param size as registered
 */
export const areaLength = (size: number): number => Math.min(Math.max(size, RSEQ_ORIGINAL_SIZE), PAGE_SIZE)

/**
 * Everything about one stopped thread's restartable sequence, read from outside.
 *
 * @param regime asked only when the class depends on it   @param isWritable whether the process may write at an address
 * Precondition: nothing has been run in the thread since it was stopped, for that makes the kernel clear rseq_cs.
 */
export function readRseqState(
  pid: number,
  thread: Pick<FrozenThread, "tid" | "registers">,
  found: Exclude<Discovery, { kind: "unknown" }>,
  regime: () => Regime,
  isWritable: (address: RemoteAddress) => boolean = () => true,
): RseqState {
  const { ip } = settled(thread.registers)
  const { tid } = thread
  if (found.kind === "unregistered") return { ...UNREGISTERED, tid, registration: undefined, area: undefined, ip }
  const { registration } = found
  const read: Reader = (from, length) => readMemoryIfMapped(pid, from, length)
  const { abiPointer, abiSize, signature } = registration
  const readable = read(abiPointer, areaLength(abiSize)) ?? read(abiPointer, RSEQ_ORIGINAL_SIZE)
  const area = isWritable(abiPointer) ? readable : undefined
  const limit = taskSize()
  return { ...classify({ area, ...follow(read, area, limit), ip, signature, taskSize: limit, regime }), tid, registration, area, ip }
}

/** Reads what rseq_cs leads to. */
function follow(
  read: Reader,
  area: Uint8Array | undefined,
  limit: bigint,
): { descriptor: Uint8Array | undefined; abortSignature: number | undefined } {
  const nothing = { descriptor: undefined, abortSignature: undefined }
  if (!area) return nothing
  const { rseq_cs } = decode(rseqArea, area)
  if (rseq_cs === 0n || rseq_cs >= limit) return nothing
  const descriptor = read(remoteAddress(rseq_cs), rseqDescriptor.size)
  if (!descriptor) return nothing
  const { abort_ip } = decode(rseqDescriptor, descriptor)
  if (abort_ip < 4n || abort_ip >= limit) return { descriptor, abortSignature: undefined }
  const bytes = read(remoteAddress(abort_ip - 4n), 4)
  return { descriptor, abortSignature: bytes && new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true) }
}
