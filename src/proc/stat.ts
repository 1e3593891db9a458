import { expectAlive, PF_EXITING, textReader } from "./source.ts"

/**
 * Fields 4 to 52 of proc_pid_stat(5) by their names there, and how wide they are read.
 * Units: times in clock ticks, addresses and vsize in bytes, rss in pages.
 */
const FIELDS = [
  ["ppid", "number"],
  ["pgrp", "number"],
  ["session", "number"],
  ["tty_nr", "number"], // new_encode_dev form; 0 = no controlling terminal
  ["tpgid", "number"],
  ["flags", "number"], // PF_*, include/linux/sched.h; PF_KTHREAD is in ./source.ts
  ["minflt", "number"],
  ["cminflt", "number"],
  ["majflt", "number"],
  ["cmajflt", "number"],
  ["utime", "number"],
  ["stime", "number"],
  ["cutime", "number"],
  ["cstime", "number"],
  ["priority", "number"],
  ["nice", "number"],
  ["num_threads", "number"],
  ["itrealvalue", "number"],
  ["starttime", "bigint"], // since boot; with the PID it names a process for good
  ["vsize", "bigint"],
  ["rss", "number"],
  ["rsslim", "bigint"],
  ["startcode", "bigint"],
  ["endcode", "bigint"],
  ["startstack", "bigint"],
  ["kstkesp", "bigint"],
  ["kstkeip", "bigint"],
  ["signal", "bigint"],
  ["blocked", "bigint"],
  ["sigignore", "bigint"],
  ["sigcatch", "bigint"],
  ["wchan", "bigint"],
  ["nswap", "number"],
  ["cnswap", "number"],
  ["exit_signal", "number"],
  ["processor", "number"],
  ["rt_priority", "number"],
  ["policy", "number"],
  ["delayacct_blkio_ticks", "number"],
  ["guest_time", "number"],
  ["cguest_time", "number"],
  ["start_data", "bigint"],
  ["end_data", "bigint"],
  ["start_brk", "bigint"],
  ["arg_start", "bigint"],
  ["arg_end", "bigint"],
  ["env_start", "bigint"],
  ["env_end", "bigint"],
  ["exit_code", "number"], // wait(2) form
] as const

type Field = (typeof FIELDS)[number]

/** /proc/PID/stat with the names of proc_pid_stat(5); addresses read 0 (startcode 1) without ptrace access. */
export type Stat = { readonly pid: number; readonly comm: string; readonly state: string } & {
  readonly [F in Field as F[0]]: F[1] extends "bigint" ? bigint : number
}

/** A stat whose fields become numbers when they are asked for: most readers want one or two of the 52. */
class StatText {
  /** Fields from the fourth on. */
  readonly values: readonly string[]
  readonly pid: number
  readonly comm: string
  readonly state: string
  constructor(text: string) {
    const close = text.lastIndexOf(")")
    this.pid = Number.parseInt(text, 10)
    this.comm = text.slice(text.indexOf("(") + 1, close)
    this.state = text.charAt(close + 2)
    this.values = text.slice(close + 4).split(" ")
  }
}
for (const [index, [name, kind]] of FIELDS.entries())
  Object.defineProperty(StatText.prototype, name, {
    get(this: StatText) {
      const value = this.values[index] ?? "0"
      return kind === "bigint" ? BigInt(value) : Number(value)
    },
  })

/**
 * /proc/PID/stat -> its values. The name is printed raw, so it may hold blanks, newlines and parentheses: it ends at the last ")".
 * Kernel: fs/proc/array.c do_task_stat()
 */
export const parseStat = (text: string): Stat => new StatText(text) as unknown as Stat

/**
 * Stat of a process (times summed over its threads), or of one thread when `tid` is given; null when it is gone.
 * @throws CheckpointError E_PERMISSION · E_IO
 */
export const readStatIfAlive = textReader("stat", parseStat)

/** As `readStatIfAlive`. @throws CheckpointError E_NO_PROCESS when it is gone */
export const readStat = expectAlive("stat", readStatIfAlive)

/**
 * True for a thread that is ending, or gone: it gives back what it shares with others before it leaves the list. Kernel: kernel/exit.c
 * do_exit()
 */
export const isEnding = (pid: number, tid: number): boolean => ((readStatIfAlive(pid, tid)?.flags ?? PF_EXITING) & PF_EXITING) !== 0
