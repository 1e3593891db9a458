import { MPOL } from "../../../ffi/abi/mempolicy.ts"
import { PR, PR_MCE_KILL_CLEAR } from "../../../ffi/abi/prctl.ts"
import { SCHED_FLAG, schedAttr } from "../../../ffi/abi/sched.ts"
import { encode } from "../../../ffi/layout.ts"
import { allocate, attempt } from "../../../ffi/syscall.ts"

const memory = allocate(4096)

/** A clamp of this value goes back to the usual one. Documentation/scheduler/sched-util-clamp.rst */
const USUAL_CLAMP = 0xffffffff

/**
 * Whether equal pages of stasis are merged, which new processes inherit. They end it themselves: the kernel parts all pages that it has
 * merged in who ends it, and begins again at every signal.
 */
export const isMerging = (): boolean => attempt("prctl", PR.GET_MEMORY_MERGE, 0, 0, 0, 0) === 1

/**
 * Takes from stasis what new processes would inherit of it, such as the policy of `numactl stasis restore`: our images say nothing of
 * whoever has the default. What this kernel does not know is not there to be inherited.
 *
 * Man pages: set_mempolicy(2), prctl(2), sched_setattr(2)
 */
export function shedAttributes(): void {
  attempt("set_mempolicy", MPOL.DEFAULT, 0, 0)
  attempt("prctl", PR.MCE_KILL, PR_MCE_KILL_CLEAR, 0, 0, 0)
  attempt("prctl", PR.SET_IO_FLUSHER, 0, 0, 0, 0)
  const { KEEP_POLICY, KEEP_PARAMS, UTIL_CLAMP_MIN, UTIL_CLAMP_MAX } = SCHED_FLAG
  const sched_flags = KEEP_POLICY | KEEP_PARAMS | UTIL_CLAMP_MIN | UTIL_CLAMP_MAX
  memory.bytes.set(encode(schedAttr, { size: schedAttr.size, sched_flags, sched_util_min: USUAL_CLAMP, sched_util_max: USUAL_CLAMP }))
  attempt("sched_setattr", 0, memory.address, 0)
}
