import { ROBUST_LIST_HEAD_SIZE } from "../../../ffi/abi/resource.ts"
import type { thread_core_entry } from "../../../proto/gen/core_pb.ts"
import { damagedImage } from "../../base/errors.ts"
import { hex } from "../../base/units.ts"
import type { Program } from "../../tracee/program.ts"

/** Appends set_tid_address(2) to a thread's own program; 0 clears nothing at its end. Mirror: ./collect.ts */
export const restoreTidAddress = (address: bigint, program: Program): void => {
  program.call("set_tid_address", address)
}

/**
 * Appends set_robust_list(2) to a thread's own program; a length of 0 means that there is none. Mirror: ./collect.ts
 *
 * @throws CheckpointError E_IMAGE_CORRUPT a length that no kernel takes
 * Precondition: memory is in place; from here on the end of the thread makes the kernel walk the list.
 */
export function restoreRobustList(entry: Pick<thread_core_entry, "futex_rla" | "futex_rla_len">, program: Program): void {
  const { futex_rla, futex_rla_len } = entry
  if (futex_rla_len === 0) return
  if (futex_rla_len !== ROBUST_LIST_HEAD_SIZE)
    throw damagedImage("Cannot restore the list of robust futexes", `its head has ${futex_rla_len} bytes, not ${ROBUST_LIST_HEAD_SIZE}`)
  program.callWith({ about: `the robust list at ${hex(futex_rla)}` }, "set_robust_list", futex_rla, futex_rla_len)
}
