import { CLOCK_THREAD_CPUTIME_ID, CPUCLOCK, itimerspec } from "../../../ffi/abi/timer.ts"
import { decode } from "../../../ffi/layout.ts"
import type { Refusal } from "../../base/errors.ts"
import { logger } from "../../base/log.ts"
import { readStatIfAlive } from "../../proc/stat.ts"
import type { PosixTimer } from "../../proc/timers.ts"
import { type Answers, Program } from "../../tracee/program.ts"
import type { TimerQuestions } from "./collect.ts"

const log = logger("timers")

/** Timers that one program asks about: it is smaller than the questions, for which there is room. */
const BATCH = 16

/** A clock of CPU time: of a thread or a process, 0 = that which made the timer. Undefined for other clocks. */
function cpuClock(clockId: number): { readonly ofThread: boolean; readonly id: number } | undefined {
  if (clockId === CLOCK_THREAD_CPUTIME_ID) return { ofThread: true, id: 0 }
  if (clockId >= 0 || (clockId & CPUCLOCK.CLOCK_MASK) === CPUCLOCK.MAX) return undefined
  return { ofThread: (clockId & CPUCLOCK.PERTHREAD_MASK) !== 0, id: ~(clockId >> 3) }
}

const threadClock = (tid: number): number => (~tid << 3) | CPUCLOCK.PERTHREAD_MASK | CPUCLOCK.SCHED

/**
 * The clocks by which timers of CPU time have to be made anew, by the timer's ID; those that are not there keep the one that they tell.
 *
 * The kernel tells "the thread that made it" and not which that is. But a thread that asks twice sees the time of its own clock run, and
 * that of those that are stopped stand still. Those of the main thread keep what they tell: a restore makes timers there.
 *
 * @param runAlone has one thread run a program while all others of the process are stopped
 * Kernel: kernel/time/posix-cpu-timers.c thread_cpu_timer_create(), posix_cpu_timer_get()
 */
export function findClocks(
  pid: number,
  tids: readonly number[],
  answers: Answers,
  { posix }: TimerQuestions,
  runAlone: (tid: number, program: Program) => Answers,
): ReadonlyMap<number, number> {
  const clocks = new Map<number, number>()
  const open = new Map<number, PosixTimer>()
  /** A timer that is not armed shows nothing: it is taken for one of the thread that it signals, else of the main thread. */
  const guess = ({ id, target, targetId }: PosixTimer): void => {
    const tid = target === "tid" && tids.includes(targetId) ? targetId : pid
    log.warn(`timer ${id} measures the CPU time of a thread, of which nobody can tell while it is not armed: taken for thread ${tid}`)
    if (tid !== pid) clocks.set(id, threadClock(tid))
  }
  for (const { timer, times } of posix) {
    const clock = cpuClock(timer.clockId)
    if (!clock) continue
    const { it_value_sec, it_value_nsec } = decode(itimerspec, answers.bytes(times))
    if (clock.id === 0) {
      if (!clock.ofThread || tids.length === 1) continue
      if (it_value_sec !== 0n || it_value_nsec !== 0n) open.set(timer.id, timer)
      else guess(timer)
    } else if (clock.ofThread ? !tids.includes(clock.id) : readStatIfAlive(clock.id) === null) {
      log.warn(`timer ${timer.id} measures the CPU time of ${name(clock)}, which has ended: it is kept as one of its own process's`)
      clocks.set(timer.id, ownProcess)
    }
  }
  const find = (tid: number, timers: readonly PosixTimer[]): void => {
    for (let first = 0; first < timers.length; first += BATCH) {
      for (const id of running(tid, timers.slice(first, first + BATCH), runAlone)) {
        if (tid !== pid) clocks.set(id, threadClock(tid))
        open.delete(id)
      }
    }
  }
  // Most signal the thread whose time they measure.
  for (const tid of tids)
    find(
      tid,
      [...open.values()].filter(({ targetId }) => targetId === tid),
    )
  for (const tid of tids) find(tid, [...open.values()])
  for (const timer of open.values()) guess(timer)
  return clocks
}

const ownProcess = (~0 << 3) | CPUCLOCK.SCHED
const name = ({ ofThread, id }: { readonly ofThread: boolean; readonly id: number }): string => `${ofThread ? "thread" : "process"} ${id}`

/** IDs of the timers whose time runs while this thread does. */
function running(tid: number, timers: readonly PosixTimer[], runAlone: (tid: number, program: Program) => Answers): readonly number[] {
  const program = new Program()
  const ask = (id: number) => {
    const room = program.room(itimerspec.size)
    program.callWith({ about: `timer ${id}` }, "timer_gettime", id, room)
    return room
  }
  const looks = timers.map(({ id }) => ({ id, first: ask(id) }))
  const again = looks.map(({ id, first }) => ({ id, first, second: ask(id) }))
  const answers = runAlone(tid, program)
  return again.filter(({ first, second }) => !Buffer.from(answers.bytes(first)).equals(answers.bytes(second))).map(({ id }) => id)
}

/**
 * Timers that measure the CPU time of processes outside the tree: by the restore their PIDs may be those of others.
 *
 * @param members processes of the tree
 */
export function surveyTimers(pid: number, timers: readonly PosixTimer[], members: ReadonlySet<number>): Refusal[] {
  return timers.flatMap(({ id, clockId }) => {
    const clock = cpuClock(clockId)
    if (!clock || clock.ofThread || clock.id === 0 || members.has(clock.id) || readStatIfAlive(clock.id) === null) return []
    const what = `a timer of the CPU time of process ${clock.id}, which is outside the tree`
    return [{ what, where: `task ${pid} timer ${id}`, remedy: "Let the program delete it (timer_delete) before the dump" }]
  })
}
