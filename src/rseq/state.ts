import type { RemoteAddress } from "../base/units.ts"

/** A thread's class when it was frozen; see `classify`. */
export type RseqClass = "unregistered" | "idle" | "outside" | "abortable" | "no-restart" | "malformed"

/**
 * What the running kernel does to a thread that it meets inside a section with NO_RESTART flags: lets it go on (to Linux 6.0),
 * kills it by SIGSEGV (6.1 to 6.18), or aborts the section as any other (later).
 */
export type Regime = "honoured" | "fatal" | "ignored"

/** How a registration was found. */
export type Strategy = "ptrace" | "libc" | "tls"

/** The arguments that a thread gave to rseq(2). */
export interface Registration {
  readonly strategy: Strategy
  /** Address of the thread's struct rseq. */
  readonly abiPointer: RemoteAddress
  /** Bytes, exactly as registered: newer kernels choose a mode by it. */
  readonly abiSize: number
  readonly signature: number
  /** flags of PTRACE_GET_RSEQ_CONFIGURATION; 0 where nothing told them. */
  readonly flags: number
}

/** A critical section. The end is exclusive. */
export interface Section {
  /** Address of its struct rseq_cs. */
  readonly descriptor: bigint
  readonly version: number
  readonly flags: number
  readonly startIp: bigint
  /** First address behind the section, cut to 64 bits. */
  readonly endIp: bigint
  readonly abortIp: bigint
}

/** What a thread's rseq state means. */
export interface Verdict {
  readonly class: RseqClass
  /** rseq_cs as found; 0 = no section. */
  readonly rseqCs: bigint
  /** What rseq_cs points to, where it could be read. */
  readonly section: Section | undefined
  /** Malformed only: what is wrong, with the values found. */
  readonly reason: string | undefined
  /** What people must know: this kernel kills the thread or ignores what its section asks for. */
  readonly warning: string | undefined
}

/** All that is known of one frozen thread. */
export interface RseqState extends Verdict {
  readonly tid: number
  readonly registration: Registration | undefined
  /** The beginning of struct rseq as it stood, see `areaLength`; undefined when unregistered, not readable or not writable. */
  readonly area: Uint8Array | undefined
  /** Where the thread would go on: an interrupted system call is counted as about to be restarted, as the kernel does. */
  readonly ip: bigint
}

/**
 * What a strategy says of a thread: its registration, that it surely has none, or why the strategy cannot tell.
 * `proven` is false for a guess: `proof.ts` must confirm it inside the thread, after classification.
 */
export type Discovery =
  | { readonly kind: "registered"; readonly registration: Registration; readonly proven: boolean }
  | { readonly kind: "unregistered"; readonly strategy: Strategy | "code"; readonly proven: boolean }
  | { readonly kind: "unknown"; readonly strategy: Strategy; readonly why: string }
