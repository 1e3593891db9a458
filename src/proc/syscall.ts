import { expectAlive, textReader } from "./source.ts"
import { words } from "./text.ts"

/** What /proc/PID/syscall shows of a thread. */
export type Blocked =
  | { readonly kind: "running" }
  /** Asleep outside a system call, e.g. in a page fault. */
  | { readonly kind: "elsewhere"; readonly sp: bigint; readonly pc: bigint }
  | { readonly kind: "syscall"; readonly number: number; readonly args: readonly bigint[]; readonly sp: bigint; readonly pc: bigint }

/** /proc/PID/syscall -> what the thread is blocked in. Kernel: fs/proc/base.c proc_pid_syscall() */
export function parseSyscall(text: string): Blocked {
  const [first = "running", ...rest] = words(text)
  if (first === "running") return { kind: "running" }
  const values = rest.map(BigInt)
  const pc = values.pop() ?? 0n
  const sp = values.pop() ?? 0n
  return first === "-1" ? { kind: "elsewhere", sp, pc } : { kind: "syscall", number: Number(first), args: values, sp, pc }
}

/** Null when the task is gone, or without CONFIG_HAVE_ARCH_TRACEHOOK. @throws CheckpointError E_PERMISSION · E_IO */
export const readSyscallIfAlive = textReader("syscall", parseSyscall)
/** As `readSyscallIfAlive`. @throws CheckpointError E_NO_PROCESS */
export const readSyscall = expectAlive("syscall", readSyscallIfAlive)
