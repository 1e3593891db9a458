import { rseqConfiguration } from "../../ffi/abi/ptrace.ts"
import { decode } from "../../ffi/layout.ts"
import { CheckpointError } from "../base/errors.ts"
import { hex, remoteAddress } from "../base/units.ts"
import type { FrozenThread } from "../tracee/frozen.ts"
import { getRseqConfiguration } from "../tracee/trace.ts"
import { type GuessSource, guessFrom } from "./guess.ts"
import type { Discovery, Registration, Strategy } from "./state.ts"

/** What a strategy may look at. */
export interface DiscoveryContext {
  /** The process's code and its symbols, for the strategies that guess; undefined = guessing is not possible here. */
  readonly guesses: GuessSource | undefined
}

type Discover = (thread: Pick<FrozenThread, "tid" | "registers">, context: DiscoveryContext) => Discovery

/**
 * Asks the kernel, which knows. Since Linux 5.13 with CONFIG_CHECKPOINT_RESTORE. Kernel: kernel/ptrace.c
 * ptrace_get_rseq_configuration(). Precondition: the thread is stopped by us.
 */
const discoverByPtrace: Discover = ({ tid }) => {
  const answer = getRseqConfiguration(tid)
  if (typeof answer === "string") return { kind: "unknown", strategy: "ptrace", why: `PTRACE_GET_RSEQ_CONFIGURATION answered ${answer}` }
  const { rseq_abi_pointer, rseq_abi_size, signature, flags } = decode(rseqConfiguration, answer)
  if (rseq_abi_pointer === 0n) return { kind: "unregistered", strategy: "ptrace", proven: true }
  const registration = {
    strategy: "ptrace",
    abiPointer: remoteAddress(rseq_abi_pointer),
    abiSize: rseq_abi_size,
    signature,
    flags,
  } as const
  return { kind: "registered", registration, proven: true }
}

/** Every strategy, in the order they are tried. */
const STRATEGIES: Readonly<Record<Strategy, Discover>> = {
  ptrace: discoverByPtrace,
  libc: (thread, { guesses }) => guessFrom("libc", thread, guesses),
  tls: (thread, { guesses }) => guessFrom("tls", thread, guesses),
}

/**
 * Finds a stopped thread's registration.
 *
 * @param way one strategy, or "auto" for the first that can tell
 * @throws CheckpointError E_KERNEL when no strategy can tell; the message names what each one met
 */
export function discover(
  thread: Pick<FrozenThread, "tid" | "registers">,
  way: "auto" | Strategy,
  context: DiscoveryContext,
): Exclude<Discovery, { kind: "unknown" }> {
  const strategies = way === "auto" ? (Object.keys(STRATEGIES) as Strategy[]) : [way]
  const reasons: string[] = []
  let none: Exclude<Discovery, { kind: "unknown" }> | undefined
  for (const strategy of strategies) {
    const found = STRATEGIES[strategy](thread, context)
    // That libc registers nothing does not mean that nobody does: the next strategy may find who.
    if (found.kind === "unregistered" && !found.proven) none ??= found
    else if (found.kind === "unknown") reasons.push(`${strategy}: ${found.why}`)
    else return found
  }
  if (none) return none
  // A C library without rseq, and nobody else who could have registered: the threads themselves are asked for a proof of that, too.
  if (way === "auto" && context.guesses && !context.guesses.mayRegister()) return { kind: "unregistered", strategy: "code", proven: false }
  throw new CheckpointError(
    "E_KERNEL",
    `Cannot find out whether thread ${thread.tid} has registered restartable sequences`,
    reasons.join("; "),
    way === "auto"
      ? "Use Linux 5.13 or newer with CONFIG_CHECKPOINT_RESTORE, or a program whose C library says where it registers (glibc 2.35 or newer)"
      : "Leave --rseq-discovery at auto",
  )
}

/**
 * Other registrations that a thread may have when the first guess is not right: who ends libc's and makes one in a thread-local __rseq_abi
 * cannot be told from outside from who does not. The proof finds out.
 */
export function otherGuesses(
  thread: Pick<FrozenThread, "tid" | "registers">,
  found: Exclude<Discovery, { kind: "unknown" }>,
  way: "auto" | Strategy,
  context: DiscoveryContext,
): Extract<Discovery, { kind: "registered" }>[] {
  if (way !== "auto" || found.kind !== "registered" || found.registration.strategy !== "libc") return []
  const other = STRATEGIES.tls(thread, context)
  return other.kind === "registered" ? [other] : []
}

/** "0x7f0012345678, 32 bytes, signature 0x53053053" for messages. */
export const describeRegistration = ({
  abiPointer,
  abiSize,
  signature,
}: Pick<Registration, "abiPointer" | "abiSize" | "signature">): string =>
  `${hex(abiPointer)}, ${abiSize} bytes, signature ${hex(signature)}`
