import { USER32_CS } from "../../../ffi/abi/registers.x86_64.ts"
import { XFEATURE_XTILE_DATA, XSTATE_HEADER } from "../../../ffi/abi/xsave.x86_64.ts"
import type { Refusal } from "../../base/errors.ts"
import type { FrozenThread } from "../../tracee/frozen.ts"

/** In a selector: its segment is of the process's own table. */
const OF_LOCAL_TABLE = 4n

/**
 * What a dump could not run code in, or a restore not set. Threads of a 64-bit program that are running 32-bit code (Wine), or code of a
 * segment of its own: what is run in them would be taken for that. Threads that are computing with AMX tiles: a new thread has no room for
 * them until it has used one, and the kernel takes none from others. Kernel: arch/x86/kernel/fpu/xstate.c validate_user_xstate_header()
 */
export function surveyRegisters(
  pid: number,
  { tid, registers: { cs }, xstate }: Pick<FrozenThread, "tid" | "registers" | "xstate">,
): Refusal[] {
  const where = `thread ${tid} of task ${pid}`
  if (cs === USER32_CS || (cs & OF_LOCAL_TABLE) !== 0n)
    return [{ what: "running 32-bit code", where, remedy: "Dump again when it runs 64-bit code" }]
  const inUse = new DataView(xstate.buffer, xstate.byteOffset).getBigUint64(XSTATE_HEADER, true)
  if (((inUse >> BigInt(XFEATURE_XTILE_DATA)) & 1n) === 0n) return []
  return [{ what: "computing with AMX tiles", where, remedy: "Dump again when it has released its tiles" }]
}
