import {
  PR,
  PR_TIMER_CREATE_RESTORE_IDS_GET,
  PR_TIMER_CREATE_RESTORE_IDS_OFF,
  PR_TIMER_CREATE_RESTORE_IDS_ON,
} from "../../../ffi/abi/prctl.ts"
import { CLOCK_MONOTONIC, ITIMER, itimerspec, itimerval, SIGEV, sigevent } from "../../../ffi/abi/timer.ts"
import { encode } from "../../../ffi/layout.ts"
import { attempt, isFailure } from "../../../ffi/syscall.ts"
import type { itimer_entry, posix_timer_entry, task_timers_entry } from "../../../proto/gen/timer_pb.ts"
import { CheckpointError, damagedImage } from "../../base/errors.ts"
import type { Data, Program } from "../../tracee/program.ts"

/** Timers made only to be deleted again, for one process, on kernels that hand out IDs in order. Each costs two calls of 64 bytes. */
const PROBE_LIMIT = 16_384

/** True where this kernel creates timers with wanted IDs (Linux 6.15). */
export const kernelRestoresTimerIds = (): boolean =>
  !isFailure(attempt("prctl", PR.TIMER_CREATE_RESTORE_IDS, PR_TIMER_CREATE_RESTORE_IDS_GET, 0, 0, 0))

/**
 * Appends the creation of every POSIX timer, unarmed, with the ID it had. Mirror: ./collect.ts
 *
 * @param restoreIds what `kernelRestoresTimerIds` says; else IDs are reached by creating and deleting timers on the way to them
 * @throws CheckpointError E_KERNEL more than 16,384 timers would be needed to reach an ID · E_IMAGE_CORRUPT two timers with one ID
 *
 * Preconditions: the process never had a timer; threads that timers signal exist; privileges are not yet dropped (alarm clocks
 * need CAP_WAKE_ALARM). Kernel: kernel/time/posix-timers.c do_timer_create()
 */
export function createPosixTimers(timers: readonly posix_timer_entry[], program: Program, restoreIds: boolean): void {
  if (timers.length === 0) return
  const sorted = [...timers].sort((a, b) => a.it_id - b.it_id)
  if (restoreIds) program.call("prctl", PR.TIMER_CREATE_RESTORE_IDS, PR_TIMER_CREATE_RESTORE_IDS_ON, 0, 0, 0)
  else reachable(sorted)
  const spare = { event: program.bytes(encode(sigevent, { sigev_notify: SIGEV.NONE })), id: program.room(4) }
  let next = 0
  for (const timer of sorted) {
    if (timer.it_id < next) throw damagedImage("Cannot restore timers", `two have the ID ${timer.it_id}`)
    const id = program.bytes(word(timer.it_id))
    if (!restoreIds) for (; next < timer.it_id; next++) skipId(program, spare)
    const { clock_id, it_sigev_notify: sigev_notify, si_signo: sigev_signo, sival_ptr: sigev_value } = timer
    const event = { sigev_value, sigev_signo, sigev_notify, sigev_notify_thread_id: timer.notify_thread_id ?? 0 }
    const about = `timer ${timer.it_id} of clock ${clock_id | 0}`
    program.callWith({ about }, "timer_create", clock_id | 0, program.bytes(encode(sigevent, event)), id)
    // Fails when the kernel chose another ID than the wanted one.
    program.callWith({ about: `${about}, which must exist now` }, "timer_getoverrun", timer.it_id)
    next = timer.it_id + 1
  }
  if (restoreIds) program.call("prctl", PR.TIMER_CREATE_RESTORE_IDS, PR_TIMER_CREATE_RESTORE_IDS_OFF, 0, 0, 0)
}

/**
 * Appends the arming of all timers: POSIX first, then the three interval timers. Mirror: ./collect.ts
 *
 * Preconditions: the last step in the leader before it goes on, with all signals still blocked; `createPosixTimers` has run.
 * Kernel: timer_settime(2), setitimer(2), both with relative times.
 */
export function armTimers({ real, virt, prof, posix }: task_timers_entry, program: Program): void {
  for (const { it_id, isec, insec, vsec, vnsec } of posix) {
    const times = armed([isec, insec], [vsec, vnsec])
    if (!times) continue
    const { interval, value } = times
    const spec = { it_interval_sec: interval[0], it_interval_nsec: interval[1], it_value_sec: value[0], it_value_nsec: value[1] }
    program.callWith({ about: `timer ${it_id}` }, "timer_settime", it_id, 0, program.bytes(encode(itimerspec, spec)), 0)
  }
  armInterval(real, ITIMER.REAL, program)
  armInterval(virt, ITIMER.VIRTUAL, program)
  armInterval(prof, ITIMER.PROF, program)
}

function armInterval({ isec, iusec, vsec, vusec }: itimer_entry, which: number, program: Program): void {
  const times = armed([isec, iusec], [vsec, vusec])
  if (!times) return
  const { interval, value } = times
  const spec = { it_interval_sec: interval[0], it_interval_usec: interval[1], it_value_sec: value[0], it_value_usec: value[1] }
  program.callWith({ about: `interval timer ${which}` }, "setitimer", which, program.bytes(encode(itimerval, spec)), 0)
}

type Time = readonly [seconds: bigint, fraction: bigint]

/** The timer with a time that no timer has: beyond what is signed, or whose fraction is a second or more. Undefined when there is none. */
export function faultOfTimers({ real, virt, prof, posix }: task_timers_entry): string | undefined {
  const fits = (limit: bigint, ...times: readonly Time[]): boolean =>
    times.every(([seconds, rest]) => seconds >> 63n === 0n && rest < limit)
  const interval = [real, virt, prof].findIndex(({ isec, iusec, vsec, vusec }) => !fits(1_000_000n, [isec, iusec], [vsec, vusec]))
  if (interval >= 0) return `interval timer ${interval} has a time that is none`
  const timer = posix.find(({ isec, insec, vsec, vnsec }) => !fits(1_000_000_000n, [isec, insec], [vsec, vnsec]))
  return timer && `timer ${timer.it_id} has a time that is none`
}

/** Times to set, undefined for a disarmed timer. One that was just running out (value 0, interval not) begins its next interval. */
function armed(interval: Time, value: Time): { interval: Time; value: Time } | undefined {
  const isZero = ([seconds, fraction]: Time): boolean => seconds === 0n && fraction === 0n
  if (!isZero(value)) return { interval, value }
  return isZero(interval) ? undefined : { interval, value: interval }
}

/** Creates a timer and deletes it, so that the next one gets the next ID. */
function skipId(program: Program, { event, id }: { readonly event: Data; readonly id: Data }): void {
  program.call("timer_create", CLOCK_MONOTONIC, event, id)
  program.call("timer_delete", program.loadU32(id))
}

function reachable(sorted: readonly posix_timer_entry[]): void {
  const probes = (sorted.at(-1)?.it_id ?? 0) + 1 - sorted.length
  if (probes <= PROBE_LIMIT) return
  throw new CheckpointError(
    "E_KERNEL",
    `Cannot restore timer ${sorted.at(-1)?.it_id}`,
    `this kernel hands out timer IDs in order, and ${probes} timers would have to be made on the way to it`,
    "Restore on Linux 6.15 or later",
  )
}

const word = (value: number): Uint8Array => {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value, true)
  return bytes
}
