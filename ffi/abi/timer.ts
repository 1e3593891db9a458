import { layout } from "../layout.ts"

/** Interval timers by number, in the order of task_timers_entry. Header: include/uapi/linux/time.h */
export const ITIMER = { REAL: 0, VIRTUAL: 1, PROF: 2 } as const

/** Argument of setitimer(2): two struct timeval, µs. Header: include/uapi/linux/time.h */
export const itimerval = layout("struct itimerval", "include/uapi/linux/time.h", 32, {
  it_interval_sec: [0, "i64"],
  it_interval_usec: [8, "i64"],
  it_value_sec: [16, "i64"],
  it_value_usec: [24, "i64"],
})

/** Argument of timer_settime(2): two struct timespec, ns. Header: include/uapi/linux/time_types.h */
export const itimerspec = layout("struct itimerspec", "include/uapi/linux/time_types.h", 32, {
  it_interval_sec: [0, "i64"],
  it_interval_nsec: [8, "i64"],
  it_value_sec: [16, "i64"],
  it_value_nsec: [24, "i64"],
})

/** What timer_create(2) is to do on expiry. Header: include/uapi/asm-generic/siginfo.h */
export const sigevent = layout("struct sigevent", "include/uapi/asm-generic/siginfo.h", 64, {
  sigev_value: [0, "u64"],
  sigev_signo: [8, "i32"],
  sigev_notify: [12, "i32"],
  sigev_notify_thread_id: [16, "i32"],
})
/** Values of sigev_notify; THREAD_ID is a flag, though SIGNAL is 0. */
export const SIGEV = { SIGNAL: 0, NONE: 1, THREAD: 2, THREAD_ID: 4 } as const

/** Flags of timerfd_settime(2). Header: include/linux/timerfd.h */
export const TFD_TIMER = { ABSTIME: 1, CANCEL_ON_SET: 2 } as const
/** Sets the expirations that a timerfd has not told yet; needs CONFIG_CHECKPOINT_RESTORE. Header: include/linux/timerfd.h */
export const TFD_IOC_SET_TICKS = 0x40085400
/** Answer of clock_gettime(2), ns. Header: include/uapi/linux/time_types.h */
export const timespec = layout("struct timespec", "include/uapi/linux/time_types.h", 16, { tv_sec: [0, "i64"], tv_nsec: [8, "i64"] })
/** The clock of the day, and those that wake the machine, whose timers need CAP_WAKE_ALARM. Header: include/uapi/linux/time.h */
export const CLOCK = { REALTIME: 0, BOOTTIME: 7, REALTIME_ALARM: 8, BOOTTIME_ALARM: 9 } as const

/** The clock of the CPU time of whoever asks. Header: include/uapi/linux/time.h */
export const CLOCK_THREAD_CPUTIME_ID = 3
/** Parts of the number of a clock of CPU time, under ~ID of its process or thread. Header: include/linux/posix-timers_types.h */
export const CPUCLOCK = { PERTHREAD_MASK: 4, CLOCK_MASK: 3, MAX: 3, SCHED: 2 } as const

/** A clock that every process may use for timers. Header: include/uapi/linux/time.h */
export const CLOCK_MONOTONIC = 1
export const CLOCK_BOOTTIME = 7
