import { ITIMER, itimerspec, itimerval, SIGEV } from "../../../ffi/abi/timer.ts"
import { decode } from "../../../ffi/layout.ts"
import {
  type itimer_entry,
  itimer_entrySchema,
  type posix_timer_entry,
  posix_timer_entrySchema,
  type task_timers_entry,
  task_timers_entrySchema,
} from "../../../proto/gen/timer_pb.ts"
import { create } from "../../../proto/schema.ts"
import { logger } from "../../base/log.ts"
import type { PosixTimer } from "../../proc/timers.ts"
import type { Answers, Data, Program, Result } from "../../tracee/program.ts"

const log = logger("timers")

/** Where the answers about the timers of a process will be. */
export interface TimerQuestions {
  /** Real, virtual, profiling. */
  readonly interval: readonly [Data, Data, Data]
  readonly posix: readonly { readonly timer: PosixTimer; readonly times: Data; readonly overrun: Result }[]
}

/**
 * Appends getitimer(2) three times, and two calls for each POSIX timer, to the program of any one thread of the process.
 *
 * @param timers of /proc/PID/timers, read in the same stop: the kernel lists there all that timer_create(2) was told, but no times
 */
export function askTimers(program: Program, timers: readonly PosixTimer[]): TimerQuestions {
  const ask = (which: number): Data => {
    const room = program.room(itimerval.size)
    program.call("getitimer", which, room)
    return room
  }
  return {
    interval: [ask(ITIMER.REAL), ask(ITIMER.VIRTUAL), ask(ITIMER.PROF)],
    posix: timers.map((timer) => {
      const times = program.room(itimerspec.size)
      program.callWith({ about: `timer ${timer.id}` }, "timer_gettime", timer.id, times)
      return { timer, times, overrun: program.callWith({ about: `timer ${timer.id}` }, "timer_getoverrun", timer.id) }
    }),
  }
}

/**
 * All timers of a process, ascending by ID; values are what was left when the program ran. Mirror: ./restore.ts
 *
 * Lost: that a timer was armed for an absolute time, which the kernel does not tell. It is armed again with the time that is left.
 *
 * @param clocks what `findClocks` of ./clocks.ts has found
 */
export function collectTimers(
  answers: Answers,
  { interval: [real, virt, prof], posix }: TimerQuestions,
  clocks: ReadonlyMap<number, number> = new Map(),
): task_timers_entry {
  return create(task_timers_entrySchema, {
    real: itimer(answers.bytes(real)),
    virt: itimer(answers.bytes(virt)),
    prof: itimer(answers.bytes(prof)),
    posix: posix
      .map(({ timer, times, overrun }) =>
        posixTimer({ ...timer, clockId: clocks.get(timer.id) ?? timer.clockId }, answers.bytes(times), answers.of(overrun)),
      )
      .sort((a, b) => a.it_id - b.it_id),
  })
}

/** The longest time of an interval timer: what the kernel makes of all that is longer. Kernel: include/linux/ktime.h KTIME_MAX */
const LONGEST = { vsec: 9_223_372_036n, vusec: 854_775n }

function itimer(bytes: Uint8Array): itimer_entry {
  const { it_interval_sec: isec, it_interval_usec: iusec, it_value_sec: vsec, it_value_usec: vusec } = decode(itimerval, bytes)
  // The kernel adds a tick to the longest time of CPU time and tells the sum as a negative one. Kernel: kernel/time/itimer.c
  // set_cpu_itimer()
  return create(itimer_entrySchema, { isec, iusec, ...(vsec < 0n ? LONGEST : { vsec, vusec }) })
}

function posixTimer(timer: PosixTimer, times: Uint8Array, overrun: bigint): posix_timer_entry {
  const { it_interval_sec, it_interval_nsec, it_value_sec, it_value_nsec } = decode(itimerspec, times)
  const toThread = timer.target === "tid"
  // Its thread has ended: the kernel drops every expiry, which is what SIGEV_NONE does for whoever looks.
  const orphan = toThread && timer.targetId === 0
  if (orphan) log.warn(`timer ${timer.id} signals a thread that has ended: it is kept as one that signals nobody`)
  const notify = { signal: SIGEV.SIGNAL, none: SIGEV.NONE, thread: SIGEV.THREAD }[timer.notify]
  return create(posix_timer_entrySchema, {
    it_id: timer.id,
    clock_id: timer.clockId >>> 0,
    si_signo: timer.signal,
    it_sigev_notify: orphan ? SIGEV.NONE : notify | (toThread ? SIGEV.THREAD_ID : 0),
    sival_ptr: timer.value,
    overrun: Number(overrun),
    isec: it_interval_sec,
    insec: it_interval_nsec,
    vsec: it_value_sec,
    vnsec: it_value_nsec,
    ...(toThread && !orphan ? { notify_thread_id: timer.targetId } : {}),
  })
}
