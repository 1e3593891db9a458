import { RSEQ_ORIGINAL_SIZE } from "../../ffi/abi/rseq.ts"
import { remoteAddress } from "../base/units.ts"
import type { FrozenThread } from "../tracee/frozen.ts"
import { CUSTOMARY_SIGNATURE, threadPointer } from "./arch.x86_64.ts"
import type { Discovery } from "./state.ts"

/** What the process's files and memory say about its thread-local rseq area. Read by flow, once a process. */
export interface GuessSource {
  /** Values of __rseq_offset (bytes from the thread pointer) and __rseq_size (bytes; 0 = registration is off) of its libc. */
  readonly libc: { readonly offset: bigint; readonly size: number } | undefined
  /** Offset of the executable's __rseq_abi from the thread pointer, bytes. */
  readonly tls: bigint | undefined
  /** Whether anything in the process's code could make a registration. Reads all of it: asked last. */
  readonly mayRegister: () => boolean
  /**
   * Address of a struct rseq_cs, in the data of the code's own file, whose section holds an address. Reads all of that file's code: asked
   * of a guess that knows of no section there.
   */
  readonly sectionAt: (ip: bigint) => bigint | undefined
}

/** mov $334, %eax, and the same for the first argument of syscall(2): the number of rseq(2). */
const LOADS = ["b84e010000", "bf4e010000", "48c7c04e010000", "48c7c74e010000"].map((code) => Buffer.from(code, "hex"))

/** Whether code holds an instruction that loads the number of rseq(2) for a system call. */
export const loadsRseq = (code: Buffer): boolean => LOADS.some((load) => code.includes(load))

/**
 * Where a thread's area would be. A guess until `proof.ts` confirms it.
 *
 * Authority: glibc manual, "Restartable Sequences"; librseq's __rseq_abi.
 */
export function guessFrom(strategy: "libc" | "tls", thread: Pick<FrozenThread, "registers">, source: GuessSource | undefined): Discovery {
  if (!source) return { kind: "unknown", strategy, why: "this command does not read the process's symbols" }
  const offset = strategy === "libc" ? source.libc?.offset : source.tls
  if (offset === undefined)
    return { kind: "unknown", strategy, why: strategy === "libc" ? "no libc here has __rseq_offset" : "the executable has no __rseq_abi" }
  if (strategy === "libc" && source.libc?.size === 0) return { kind: "unregistered", strategy, proven: false }
  const registration = {
    strategy,
    abiPointer: remoteAddress(BigInt.asUintN(64, threadPointer(thread.registers) + offset)),
    abiSize: RSEQ_ORIGINAL_SIZE,
    signature: CUSTOMARY_SIGNATURE,
    flags: 0,
  }
  return { kind: "registered", registration, proven: false }
}
