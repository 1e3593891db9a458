import { SIG } from "../../../ffi/abi/signal.ts"
import { TTY_IOCTL } from "../../../ffi/abi/tty.ts"
import { W } from "../../../ffi/abi/wait.ts"
import { holdInterrupts, leaveKeyboardToJob, takeInterrupt } from "../../../ffi/interrupt.ts"
import { allocate, attempt, errnoName } from "../../../ffi/syscall.ts"
import { inheritedTerminal } from "../../kinds/files/tty/restore.ts"
import { isFirstProcess } from "../../proc/rights.ts"
import { readStat, readStatIfAlive } from "../../proc/stat.ts"
import { listProcesses } from "../../proc/tasks.ts"
import type { SavedTree } from "../images.ts"

const STOPPED = 0x7f
const memory = allocate(4096)

/** A shell's job that we restore: between the shell and it we behave as it would without us. */
interface ShellJob {
  /** The group of it that is in the foreground. */
  readonly group: number
  readonly terminal: number
  /** Group that was in the foreground before the job took it. */
  readonly foreground: number
}

/**
 * The job that a set of images is, as it will be; undefined for what has no terminal of ours, or a session of its own.
 *
 * @param terminal descriptor of the terminal that we run on
 */
export function jobBefore({ root, processes }: SavedTree, terminal: number | undefined): ShellJob | undefined {
  const { tree, files } = root
  const inherited = inheritedTerminal(files.ttyInfos)
  if (tree.sid === tree.pid || terminal === undefined || !inherited) return undefined
  const { pgrp, tpgid } = readStat(process.pid)
  // The root's group is ours unless it leads it. A shell among the job may have put another one in front.
  const groupOf = (pgid: number): number => (pgid === tree.pgid && tree.pgid !== tree.pid ? pgrp : pgid)
  const inFront = processes.some((one) => one.tree.pgid === inherited.pgrp && one.tree.sid === tree.sid)
  return { group: groupOf(inFront ? inherited.pgrp : tree.pgid), terminal, foreground: tpgid }
}

function giveTerminal({ terminal }: ShellJob, group: number): void {
  if (group <= 0) return
  memory.view.setInt32(0, group, true)
  attempt("ioctl", terminal, TTY_IOCTL.TIOCSPGRP, memory.address)
}

/**
 * Waits until a restored child has ended. A job of ours gets what is typed to stop it; when it is suspended so are we, for the shell to see
 * it, and it goes on when the shell lets us go on. Afterwards the terminal is given back.
 *
 * As the first process of a PID namespace the tool hands on to it what is sent to end the tool, as an init does.
 *
 * @returns its status as a shell tells it: 128 + signal when it was killed; 0 when somebody else reaped it
 */
export function waitForEnd(pid: number, job: ShellJob | undefined): number {
  // The kernel gives the first process no signal that it has no handler for.
  using forwarding = isFirstProcess() ? holdInterrupts() : undefined
  if (job) leaveKeyboardToJob()
  for (;;) {
    const answer = attempt("wait4", isFirstProcess() ? -1 : pid, memory.address, W.ALL | W.UNTRACED, 0)
    if (answer < 0 && errnoName(-answer) === "EINTR") {
      const asked = forwarding ? takeInterrupt() : 0
      if (asked !== 0) attempt("kill", pid, asked)
      continue
    }
    if (answer > 0 && answer !== pid) continue
    const status = answer === pid ? memory.view.getInt32(0, true) : 0
    if ((status & 0xff) === STOPPED) {
      if (job) suspend(job, pid)
      continue
    }
    if (job) giveTerminal(job, job.foreground)
    if (isFirstProcess()) outlive()
    const signal = status & 0x7f
    return signal === 0 ? (status >> 8) & 0xff : 128 + signal
  }
}

/** Reaps until nobody is left, or somebody asks us to end: for the first process of a PID namespace, with whom the rest of a tree ends. */
function outlive(): void {
  for (;;) {
    const answer = attempt("wait4", -1, 0, W.ALL, 0)
    if (answer < 0 && (errnoName(-answer) !== "EINTR" || takeInterrupt() !== 0)) return
  }
}

/** Stops with the job, and goes on with it: in the foreground if the shell has put us there. */
function suspend(job: ShellJob, pid: number): void {
  const { pgrp, session, tpgid } = readStat(process.pid)
  const group = readStatIfAlive(pid)?.pgrp ?? pgrp
  if (tpgid !== pgrp) giveTerminal(job, pgrp)
  attempt("kill", process.pid, SIG.STOP)
  if (group === pgrp) return
  if (readStat(process.pid).tpgid === pgrp) giveTerminal(job, tpgid)
  for (const member of listProcesses()) {
    const stat = readStatIfAlive(member)
    if (stat?.pgrp === group && stat.session === session) attempt("kill", member, SIG.CONT)
  }
}
