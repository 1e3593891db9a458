import { SIG } from "../../ffi/abi/signal.ts"
import { probe } from "../../ffi/stub/gen/x86_64.ts"
import { attempt } from "../../ffi/syscall.ts"
import { lacking } from "../../ffi/without.ts"
import { logger } from "../base/log.ts"
import { startChild } from "../tracee/child.ts"
import { fixedDeadline, waitReport } from "../tracee/wait.ts"
import type { Regime } from "./state.ts"

const log = logger("rseq")
/** Seconds; the probe ends by itself within a few ms. */
const LIMIT = 2

let known: Regime | "none" | undefined

/**
 * Finds out once what this kernel does to a thread inside a section with NO_RESTART flags, by a child of ours that is in one.
 * About 3 ms; the child leaves no core file. "none": this process cannot have rseq at all (no CONFIG_RSEQ, or a seccomp filter).
 *
 * Kernel: kernel/rseq.c rseq_need_restart(), gone in Linux 6.19. Not told by the version: distributions mix them.
 */
export function probeRegime(): Regime | "none" {
  if (known) return known
  if (lacking === "rseq_no_restart") known = "fatal"
  if (lacking === "rseq") known = "none"
  if (known) return known
  known = readRegime(runProbe())
  log.debug(`NO_RESTART sections: ${known}`)
  return known
}

/** As `probeRegime`, for a thread that was met inside a section: where we may not have rseq ourselves the gravest case is assumed. */
export function kernelRegime(): Regime {
  const regime = probeRegime()
  return regime === "none" ? "fatal" : regime
}

/** Runs the probe to its end. @returns its wait status */
function runProbe(): number {
  const child = startChild("stasis-probe", probe)
  try {
    const report = waitReport(child, fixedDeadline(LIMIT), "the probe of NO_RESTART sections")
    return report.kind === "gone" ? report.status : -1
  } catch (error) {
    attempt("kill", child, SIG.KILL)
    throw error
  }
}

/** What the probe's end means. Mirror: ffi/stub/probe.ARCH.S. @throws Error an end that the probe does not have */
export function readRegime(status: number): Regime | "none" {
  const signal = status & 0x7f
  if (signal === SIG.SEGV) return "fatal"
  const exit = (["honoured", "ignored", "none"] as const)[status >> 8]
  if (signal !== 0 || exit === undefined)
    throw new Error(`The probe of NO_RESTART sections ended with wait status 0x${status.toString(16)}`)
  return exit
}
