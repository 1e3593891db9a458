import type { FdInfo } from "./fdinfo.ts"

/** A time span of the kernel. */
export interface Timespec {
  readonly seconds: bigint
  readonly nanoseconds: bigint
}

/** State of a timerfd. */
export interface TimerfdState {
  /** CLOCK_* number. */
  readonly clockId: number
  /** Expirations not yet read. */
  readonly ticks: bigint
  /** TFD_TIMER_* bits of the last timerfd_settime(2). */
  readonly settimeFlags: number
  /** Time left, always relative, also of an absolute timer; 0 = disarmed or expired. */
  readonly value: Timespec
  readonly interval: Timespec
}

/** @throws CheckpointError E_KERNEL a line is missing (CONFIG_PROC_FS). Kernel: fs/timerfd.c timerfd_show() */
export function timerfdState(info: Pick<FdInfo, "text" | "dec" | "octal">): TimerfdState {
  return {
    clockId: Number(info.dec("clockid")),
    ticks: info.dec("ticks"),
    settimeFlags: Number(info.octal("settime flags")),
    value: timespec(info.text("it_value")),
    interval: timespec(info.text("it_interval")),
  }
}

/** "(1, 500)" */
function timespec(text: string): Timespec {
  const [seconds = "0", nanoseconds = "0"] = text.slice(1, -1).split(", ")
  return { seconds: BigInt(seconds), nanoseconds: BigInt(nanoseconds) }
}
