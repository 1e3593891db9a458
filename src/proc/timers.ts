import { expectAlive, type Reader, textReader } from "./source.ts"
import { lines } from "./text.ts"

/** A POSIX timer of timer_create(2). Its times are asked inside the process, by timer_gettime(2). */
export interface PosixTimer {
  readonly id: number
  readonly signal: number
  /** sigev_value. */
  readonly value: bigint
  /** SIGEV_SIGNAL, SIGEV_NONE or SIGEV_THREAD; "tid" = SIGEV_THREAD_ID, to one thread. */
  readonly notify: "signal" | "none" | "thread"
  readonly target: "pid" | "tid"
  /** PID or TID of the receiver in the reader's PID namespace; 0 = it is gone. */
  readonly targetId: number
  /** CLOCK_* number, negative for a CPU clock of a process or thread. */
  readonly clockId: number
}

/** /proc/PID/timers -> its timers, four lines each. Kernel: fs/proc/base.c show_timer() */
export function parseTimers(text: string): PosixTimer[] {
  const timers: PosixTimer[] = []
  let values = new Map<string, string>()
  for (const line of lines(text)) {
    const colon = line.indexOf(":")
    values.set(line.slice(0, colon), line.slice(colon + 1).trim())
    if (!line.startsWith("ClockID:")) continue
    const [signal = "0", value = "0"] = (values.get("signal") ?? "").split("/")
    const [notify = "", receiver = ""] = (values.get("notify") ?? "").split("/")
    const [target = "", targetId = "0"] = receiver.split(".")
    timers.push({
      id: Number(values.get("ID")),
      signal: Number(signal),
      // Printed by %px: digits without 0x.
      value: BigInt(`0x${value}`),
      notify: notify === "none" || notify === "thread" ? notify : "signal",
      target: target === "tid" ? "tid" : "pid",
      targetId: Number(targetId),
      clockId: Number(values.get("ClockID")),
    })
    values = new Map()
  }
  return timers
}

/**
 * POSIX timers of a process; null when it is gone or the kernel lacks CONFIG_CHECKPOINT_RESTORE.
 *
 * @throws CheckpointError E_PERMISSION · E_IO
 */
const readTimersIfAlive: Reader<PosixTimer[] | null> = textReader("timers", parseTimers)

/** As `readTimersIfAlive`. @throws CheckpointError E_NO_PROCESS it is gone · E_KERNEL the kernel has no such file */
export const readTimers = expectAlive("timers", readTimersIfAlive)
