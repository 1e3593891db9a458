import { RSEQ_ORIGINAL_FEATURES, RSEQ_ORIGINAL_SIZE } from "../../../ffi/abi/rseq.ts"
import { remoteAddress } from "../../base/units.ts"
import { UNREGISTERED } from "../../rseq/classify.ts"
import { appendProof, appendSignatureProof, HARMLESS, isSignature, judgeProof, wrongGuess } from "../../rseq/proof.ts"
import type { Registration, RseqState } from "../../rseq/state.ts"
import type { Loan } from "../../tracee/loan.ts"
import { type Answers, Program } from "../../tracee/program.ts"
import type { InspectedThread } from "../dump/threads.ts"
import { kernelRseq } from "../kernel-rseq.ts"

/** What stands for a guess that there is none: only whether any registration exists is asked then. */
const NOTHING: Registration = { strategy: "libc", abiPointer: remoteAddress(0n), abiSize: 0, signature: 0, flags: 0 }

/** Lengths that a registration may have, bytes: that of old, and what this kernel's features take, rounded as libc does. */
function lengths(): number[] {
  const { featureSize = RSEQ_ORIGINAL_FEATURES, align = RSEQ_ORIGINAL_SIZE } = kernelRseq()
  return [RSEQ_ORIGINAL_SIZE, featureSize, Math.ceil(featureSize / align) * align]
}

/** The questions for one thread: a state that it may have with each. The believed one comes first. */
interface Asked {
  readonly program: Program
  readonly proofs: readonly { readonly state: RseqState; readonly proof: ReturnType<typeof appendProof> }[]
}

/** Questions that prove the guessed registrations of a process, by thread. Empty where the kernel told them. */
export type Proofs = ReadonlyMap<number, Asked>

/** Puts the questions for every thread whose registration is a guess. */
export const planProofs = (threads: readonly InspectedThread[]): Proofs =>
  new Map(
    threads
      .filter(({ proven }) => !proven)
      .map(({ rseq, others }) => {
        const program = new Program()
        const proofs = [rseq, ...others].map((state) => {
          const { registration } = state
          return { state, proof: appendProof(program, registration ?? NOTHING, registration ? lengths() : []) }
        })
        return [rseq.tid, { program, proofs }]
      }),
  )

/**
 * Proves every guess inside its thread, and gives the threads with what was found. Nothing is registered otherwise than before.
 *
 * @throws CheckpointError E_KERNEL a guess is wrong: nothing certain is known of that thread
 * Precondition: all threads have been classified and prepared; no thread with a proven registration is touched.
 */
export function proveGuesses(threads: readonly InspectedThread[], proofs: Proofs, loan: Loan): InspectedThread[] {
  if (proofs.size === 0) return [...threads]
  const answers = loan.run(new Map([...proofs].map(([tid, { program }]) => [tid, program])))
  const judged = threads.map((thread) => {
    const { tid } = thread.frozen
    const [asked, answer] = [proofs.get(tid), answers.get(tid)]
    return asked && answer ? { ...thread, rseq: confirmed(asked.proofs, answer) } : thread
  })
  proveSignatures(
    judged.filter(({ frozen }) => proofs.has(frozen.tid)),
    loan,
  )
  return judged
}

/** The state whose registration was proved, with its length. @throws CheckpointError E_KERNEL */
function confirmed(proofs: Asked["proofs"], answers: Answers): RseqState {
  const judged = proofs.map(({ state, proof }) => ({ state, judgement: judgeProof(proof, answers) }))
  for (const { state, judgement } of judged)
    if (judgement.kind === "registered" && state.registration)
      return { ...state, registration: { ...state.registration, abiSize: judgement.size } }
  const [believed] = judged
  if (!believed) throw new Error("Unreachable: a thread was asked nothing")
  const { state, judgement } = believed
  // The area is a plain piece of memory then, and its bytes stay what they are.
  if (judgement.kind === "unregistered" && HARMLESS.includes(state.class))
    return { ...state, ...UNREGISTERED, registration: undefined, area: undefined }
  throw wrongGuess(state, judgement.kind === "unregistered" ? "it has none" : "it has another one")
}

function proveSignatures(threads: readonly InspectedThread[], loan: Loan): void {
  const asked = threads.flatMap(({ rseq }) => {
    if (!rseq.registration) return []
    const program = new Program()
    return [{ rseq, program, question: appendSignatureProof(program, rseq.registration) }]
  })
  if (asked.length === 0) return
  const answers = loan.run(new Map(asked.map(({ rseq, program }) => [rseq.tid, program])))
  for (const { rseq, question } of asked) {
    const answer = answers.get(rseq.tid)
    if (!answer || !isSignature(question, answer)) throw wrongGuess(rseq, "it was made with another signature")
  }
}
