import { USER32_CS } from "../../../ffi/abi/registers.x86_64.ts"
import type { Refusal } from "../../base/errors.ts"
import type { FrozenThread } from "../../tracee/frozen.ts"

/** In a selector: its segment is of the process's own table. */
const OF_LOCAL_TABLE = 4n

/**
 * What a dump could not run code in: threads of a 64-bit program that are running 32-bit code (Wine), or code of a segment of its own. What
 * is run in them would be taken for that.
 */
export function surveyRegisters(pid: number, { tid, registers: { cs } }: Pick<FrozenThread, "tid" | "registers">): Refusal[] {
  if (cs !== USER32_CS && (cs & OF_LOCAL_TABLE) === 0n) return []
  return [{ what: "running 32-bit code", where: `thread ${tid} of task ${pid}`, remedy: "Dump again when it runs 64-bit code" }]
}
