/**
 * Which class a stopped thread is in. Pure; every rule is the kernel's.
 *
 * Kernel, up to Linux 6.18: kernel/rseq.c. rseq_get_rseq_cs() validates the whole descriptor, signature included, BEFORE
 * in_rseq_cs() looks at the IP: a wrong signature kills a thread outside of the section as well. rseq_need_restart() then judges
 * the flags: to 6.0 it masks events by them, from 6.1 on any flag inside a section is fatal.
 * From Linux 6.19: include/linux/rseq_entry.h rseq_update_user_cs(). The IP is looked at first, outside nothing else matters, inside
 * only abort_ip and the signature in front of it. Version and flags are not read at all, a range may wrap, and abort_ip may be inside
 * of it: the thread goes on there. With its debug switch on (rseq_debug=1, /sys/kernel/debug/rseq/debug) such a kernel checks
 * inside what the older ones do, the flags of the descriptor included: the probe of the regime meets that as "fatal", and a thread
 * outside is then refused too often.
 */
import { RSEQ_CS_FLAG, rseqArea, rseqDescriptor } from "../../ffi/abi/rseq.ts"
import { decode } from "../../ffi/layout.ts"
import { hex } from "../base/units.ts"
import type { Regime, RseqClass, Section, Verdict } from "./state.ts"

/** What was read of a registered thread. `undefined` stands for memory that cannot be read, or an area that cannot be written. */
export interface Observation {
  /** At least the 32 bytes of struct rseq. */
  readonly area: Uint8Array | undefined
  /** The 32 bytes that rseq_cs points to. */
  readonly descriptor: Uint8Array | undefined
  /** The 32 bits in front of abort_ip. */
  readonly abortSignature: number | undefined
  /** Address of the next instruction. */
  readonly ip: bigint
  /** As registered. */
  readonly signature: number
  /** First address that user space cannot have. */
  readonly taskSize: bigint
  /** Asked only where the answer depends on it, as it may cost a probe. */
  readonly regime: () => Regime
}

const u64 = (value: bigint): bigint => BigInt.asUintN(64, value)
const { NO_RESTART_ON_PREEMPT, NO_RESTART_ON_SIGNAL, NO_RESTART_ON_MIGRATE } = RSEQ_CS_FLAG
const NO_RESTART = NO_RESTART_ON_PREEMPT | NO_RESTART_ON_SIGNAL | NO_RESTART_ON_MIGRATE

/** True when the kernel counts `ip` as inside: start_ip is, the first address behind is not; unsigned and wrapping. */
export const isInside = (ip: bigint, { startIp, endIp }: Pick<Section, "startIp" | "endIp">): boolean =>
  u64(ip - startIp) < u64(endIp - startIp)

/** Verdict on a thread without a registration. */
export const UNREGISTERED: Verdict = { class: "unregistered", rseqCs: 0n, section: undefined, reason: undefined, warning: undefined }

/** Verdict on a registered thread. */
export function classify(seen: Observation): Verdict {
  const { area, taskSize } = seen
  if (!area) return { ...UNREGISTERED, class: "malformed", reason: "struct rseq cannot be read and written" }
  const { rseq_cs: rseqCs, flags } = decode(rseqArea, area)
  const verdict = (kind: RseqClass, rest: Partial<Verdict> = {}): Verdict => ({ ...UNREGISTERED, rseqCs, section, class: kind, ...rest })
  const section = seen.descriptor && decodeSection(rseqCs, seen.descriptor)
  if (rseqCs === 0n) return verdict("idle", { section: undefined })
  if (rseqCs >= taskSize) return verdict("malformed", { section: undefined, reason: `rseq_cs ${hex(rseqCs)} is no user address` })
  if (!section) return verdict("malformed", { reason: `struct rseq_cs at ${hex(rseqCs)} cannot be read` })
  const reason = shapeDefect(section, seen) ?? abortDefect(section, seen)
  const overlooks = reason !== undefined && seen.regime() === "ignored"
  const fatal = overlooks ? abortDefect(section, seen) : reason
  if (!isInside(seen.ip, section)) return reason && !overlooks ? verdict("malformed", { reason }) : verdict("outside")
  if (fatal) return verdict("malformed", { reason: fatal })
  if (overlooks) return verdict("abortable", { warning: `this kernel overlooks that ${reason}, and aborts the section` })
  const effective = section.flags | flags
  return effective === 0 ? verdict("abortable") : flagged(effective, seen.regime(), verdict)
}

/** A struct rseq_cs as a section. @param pointer its address   @param bytes its 32 bytes */
export function decodeSection(pointer: bigint, bytes: Uint8Array): Section {
  const { version, flags, start_ip, post_commit_offset, abort_ip } = decode(rseqDescriptor, bytes)
  return { descriptor: pointer, version, flags, startIp: start_ip, endIp: u64(start_ip + post_commit_offset), abortIp: abort_ip }
}

/** What a kernel that looks at all of a descriptor would find wrong with it before it comes to abort_ip's signature, in its order. */
function shapeDefect({ version, startIp, endIp, abortIp }: Section, { taskSize }: Observation): string | undefined {
  for (const [name, address] of [
    ["start_ip", startIp],
    ["end", endIp],
    ["abort_ip", abortIp],
  ] as const)
    if (address >= taskSize) return noAddress(name, address)
  if (version !== 0) return `version is ${version}, known is 0`
  if (endIp < startIp) return `the section wraps around: it starts at ${hex(startIp)} and ends at ${hex(endIp)}`
  if (isInside(abortIp, { startIp, endIp })) return `abort_ip ${hex(abortIp)} is inside the section ${hex(startIp)}-${hex(endIp)}`
}

/** What every kernel finds wrong with where a section would be left to. */
function abortDefect({ abortIp }: Section, { abortSignature, signature, taskSize }: Observation): string | undefined {
  if (abortIp >= taskSize) return noAddress("abort_ip", abortIp)
  if (abortSignature === undefined) return `the signature in front of abort_ip ${hex(abortIp)} cannot be read`
  if (abortSignature !== signature)
    return `the signature in front of abort_ip ${hex(abortIp)} is ${hex(abortSignature)}, registered is ${hex(signature)}`
}

const noAddress = (name: string, address: bigint): string => `${name} ${hex(address)} is no user address`

/** Inside a sound section with flags set, in the descriptor or the area. */
function flagged(flags: number, regime: Regime, verdict: (kind: RseqClass, rest?: Partial<Verdict>) => Verdict): Verdict {
  const onSignal = (flags & NO_RESTART_ON_SIGNAL) !== 0
  if (regime === "honoured") {
    const others = NO_RESTART_ON_PREEMPT | NO_RESTART_ON_MIGRATE
    if (onSignal && (flags & others) !== others)
      return verdict("malformed", {
        reason: `flags ${hex(flags)} keep a signal from restarting the section, but not preemption and migration too`,
      })
    return verdict(onSignal ? "no-restart" : "abortable")
  }
  if (regime === "fatal") {
    const warning = `this kernel kills a thread inside a section with flags (${hex(flags)}) as soon as it is preempted`
    return verdict(onSignal ? "no-restart" : "abortable", { warning })
  }
  return verdict(
    "abortable",
    flags & NO_RESTART ? { warning: `this kernel ignores the section's flags (${hex(flags)}) and aborts it` } : {},
  )
}
