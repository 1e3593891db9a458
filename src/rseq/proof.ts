import type { Registers } from "../../ffi/abi/registers.x86_64.ts"
import { RSEQ_FLAG_UNREGISTER, RSEQ_ORIGINAL_SIZE } from "../../ffi/abi/rseq.ts"
import { errnoName } from "../../ffi/syscall.ts"
import { CheckpointError } from "../base/errors.ts"
import { hex } from "../base/units.ts"
import type { Answers, Program, Result } from "../tracee/program.ts"
import { describeRegistration } from "./discover.ts"
import type { GuessSource } from "./guess.ts"
import type { Registration, RseqClass, RseqState } from "./state.ts"

/** Last page of the address space: well aligned, never user memory. */
const KERNEL_ADDRESS = (1n << 64n) - 4096n

/** Records of a program that asks whether a guess is true. */
interface Proof {
  readonly guess: Registration
  readonly any: Result
  readonly sizes: readonly { readonly size: number; readonly answer: Result }[]
}

/** What the kernel said. `size` is the registered length, the signature is still open. */
type ProofOutcome =
  | { readonly kind: "unregistered" }
  | { readonly kind: "registered"; readonly size: number }
  | { readonly kind: "elsewhere" }

/**
 * Appends questions to a thread's program that never change its registration.
 *
 * Registering a kernel address is EINVAL for a thread that has a registration and EFAULT for one that has none; ending one with a
 * wrong signature is EPERM for exactly the registered address and length, else EINVAL.
 * Kernel: kernel/rseq.c SYSCALL_DEFINE4(rseq). Precondition: the thread has been classified.
 *
 * @param sizes lengths to try, bytes: 32, AT_RSEQ_FEATURE_SIZE, libc's __rseq_size rounded up ...
 */
export function appendProof(program: Program, guess: Registration, sizes: readonly number[]): Proof {
  const ask = (address: bigint, size: number, flags: number, signature: number) =>
    program.callWith({ mayFail: true, about: "the proof of an rseq registration" }, "rseq", address, size, flags, signature)
  const any = ask(KERNEL_ADDRESS, RSEQ_ORIGINAL_SIZE, 0, guess.signature)
  const wrong = (guess.signature ^ 0xffffffff) >>> 0
  return {
    guess,
    any,
    sizes: [...new Set(sizes)].map((size) => ({ size, answer: ask(guess.abiPointer, size, RSEQ_FLAG_UNREGISTER, wrong) })),
  }
}

const errnoOf = (answers: Answers, result: Result): string => errnoName(-Number(answers.of(result)))

/** Reads the answers of `appendProof`. "elsewhere": the thread is registered, but not as guessed. */
export function judgeProof({ any, sizes }: Proof, answers: Answers): ProofOutcome {
  if (errnoOf(answers, any) === "EFAULT") return { kind: "unregistered" }
  const right = sizes.find(({ answer }) => errnoOf(answers, answer) === "EPERM")
  return right ? { kind: "registered", size: right.size } : { kind: "elsewhere" }
}

/**
 * Appends the question for the signature: EBUSY when it is the registered one, EPERM when it is not.
 *
 * Precondition: `judgeProof` said "registered" with this length; a thread without a registration would get one here.
 */
export const appendSignatureProof = (program: Program, { abiPointer, abiSize, signature }: Registration): Result =>
  program.callWith({ mayFail: true, about: "the proof of an rseq signature" }, "rseq", abiPointer, abiSize, 0, signature)

/** True when the signature asked for is the registered one. */
export const isSignature = (question: Result, answers: Answers): boolean => errnoOf(answers, question) === "EBUSY"

/** Classes of threads in which something can be run whatever their registration is. */
export const HARMLESS: readonly RseqClass[] = ["idle", "outside", "unregistered"]

/**
 * Which of the registrations that a thread may have is believed until the proof, and which others it may confirm in its place.
 *
 * A section is believed: half of it without protection is worse than an abort too many. The first guess is the likelier one else, and the
 * others are asked too where the thread has nothing to lose by any of them.
 */
export function believe(first: RseqState, others: readonly RseqState[]): { rseq: RseqState; others: RseqState[] } {
  if (!HARMLESS.includes(first.class)) return { rseq: first, others: [] }
  const inSection = others.find((state) => state.class === "abortable" || state.class === "no-restart")
  return inSection ? { rseq: inSection, others: [] } : { rseq: first, others: others.filter((state) => HARMLESS.includes(state.class)) }
}

/**
 * Refuses a thread that seems to be in a section although its guessed registration has none there: it may have another one. The proof runs
 * in the thread, and the kernel would take the section's protection away, unknown to us.
 *
 * @throws CheckpointError E_KERNEL   Precondition: nothing was run in the thread yet
 */
export function refuseUnknownSection(state: RseqState, { orig_ax }: Registers, guesses: GuessSource | undefined): void {
  // Sections make no system calls, and most threads are in one: their code need not be read.
  const isInCall = BigInt.asIntN(64, orig_ax) >= 0n
  if (isInCall || !HARMLESS.includes(state.class)) return
  const descriptor = guesses?.sectionAt(state.ip)
  if (descriptor !== undefined) throw wrongGuess(state, `it is in the section that ${hex(descriptor)} describes`)
}

/** What is told of a thread whose guess is not right. */
export const wrongGuess = ({ tid, registration }: RseqState, found: string): CheckpointError =>
  new CheckpointError(
    "E_KERNEL",
    `Cannot prove the rseq registration of thread ${tid}`,
    `${registration ? `${registration.strategy} says ${describeRegistration(registration)}` : "libc says that there is none"}, but ${found}`,
    "Use Linux 5.13 or newer with --rseq-discovery=auto; before it only registrations by libc and in the executable's __rseq_abi are found",
  )
