import { PR, PR_RSEQ_SLICE_EXT_ENABLE, PR_RSEQ_SLICE_EXTENSION } from "../../ffi/abi/prctl.ts"
import { attempt, errnoName, isFailure } from "../../ffi/syscall.ts"
import type { Answers, Program, Result } from "../tracee/program.ts"

/**
 * Longer time slices on request, for threads that have turned them on (Linux 7.0). Documentation/userspace-api/rseq.rst; kernel/rseq.c
 * rseq_slice_extension_prctl(). What a thread has asked for at the moment (slice_ctrl) is a wish that the kernel forgets whenever it stops
 * a thread: a registration clears it.
 */

/** Asks whether a thread has them on. Kernels before 7.0 answer EINVAL, those built without them ENOTSUPP. */
export const askSliceExtension = (program: Program): Result =>
  program.callWith({ mayFail: true }, "prctl", PR.RSEQ_SLICE_EXTENSION, PR_RSEQ_SLICE_EXTENSION.GET, 0, 0, 0)

/** The answer, for the image. */
export const collectSliceExtension = (answers: Answers, question: Result): { rseq_slice_extension?: true } =>
  answers.of(question) === BigInt(PR_RSEQ_SLICE_EXT_ENABLE) ? { rseq_slice_extension: true } : {}

/** Why this kernel has none for anybody; undefined where it has. It tells so without any registration. */
export function lackOfSliceExtension(): string | undefined {
  const answer = attempt("prctl", PR.RSEQ_SLICE_EXTENSION, PR_RSEQ_SLICE_EXTENSION.GET, 0, 0, 0)
  return isFailure(answer) ? `prctl(PR_RSEQ_SLICE_EXTENSION) answers ${errnoName(-answer)}` : undefined
}

/**
 * Appends what turns longer time slices on, behind the thread's registration.
 *
 * Fails as the prctl does: with ENOTSUPP where they are off by the kernel's command line (rseq_slice_ext=0).
 */
export function appendSliceExtension(program: Program): void {
  const about = "longer time slices (rseq_slice_ext=1)"
  program.callWith({ about }, "prctl", PR.RSEQ_SLICE_EXTENSION, PR_RSEQ_SLICE_EXTENSION.SET, PR_RSEQ_SLICE_EXT_ENABLE, 0, 0)
}
