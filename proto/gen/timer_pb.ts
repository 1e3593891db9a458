// Made from proto/timer.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** An interval timer: interval and remaining time, seconds and microseconds. */
export interface itimer_entry {
  isec: bigint
  iusec: bigint
  vsec: bigint
  vusec: bigint
}
export const itimer_entrySchema: Schema<itimer_entry> = schema("itimer_entry", () => [
  { number: 1, name: "isec", type: "uint64", label: "required" },
  { number: 2, name: "iusec", type: "uint64", label: "required" },
  { number: 3, name: "vsec", type: "uint64", label: "required" },
  { number: 4, name: "vusec", type: "uint64", label: "required" },
])

/** A POSIX timer: interval and remaining time, seconds and nanoseconds. */
export interface posix_timer_entry {
  it_id: number
  clock_id: number
  si_signo: number
  it_sigev_notify: number
  sival_ptr: bigint
  overrun: number
  isec: bigint
  insec: bigint
  vsec: bigint
  vnsec: bigint
  notify_thread_id?: number
}
export const posix_timer_entrySchema: Schema<posix_timer_entry> = schema("posix_timer_entry", () => [
  { number: 1, name: "it_id", type: "uint32", label: "required" },
  { number: 2, name: "clock_id", type: "uint32", label: "required" },
  { number: 3, name: "si_signo", type: "uint32", label: "required" },
  { number: 4, name: "it_sigev_notify", type: "uint32", label: "required" },
  { number: 5, name: "sival_ptr", type: "uint64", label: "required" },
  { number: 6, name: "overrun", type: "uint32", label: "required" },
  { number: 7, name: "isec", type: "uint64", label: "required" },
  { number: 8, name: "insec", type: "uint64", label: "required" },
  { number: 9, name: "vsec", type: "uint64", label: "required" },
  { number: 10, name: "vnsec", type: "uint64", label: "required" },
  { number: 11, name: "notify_thread_id", type: "int32", label: "optional" },
])

/** All timers of a process. */
export interface task_timers_entry {
  real: itimer_entry
  virt: itimer_entry
  prof: itimer_entry
  posix: posix_timer_entry[]
}
export const task_timers_entrySchema: Schema<task_timers_entry> = schema("task_timers_entry", () => [
  { number: 1, name: "real", type: "message", label: "required", message: () => itimer_entrySchema },
  { number: 2, name: "virt", type: "message", label: "required", message: () => itimer_entrySchema },
  { number: 3, name: "prof", type: "message", label: "required", message: () => itimer_entrySchema },
  { number: 4, name: "posix", type: "message", label: "repeated", message: () => posix_timer_entrySchema },
])
