import { TASK_SIZE } from "../../ffi/abi/mman.ts"
import type { Registers } from "../../ffi/abi/registers.x86_64.ts"
import { attempt, syscallNumber } from "../../ffi/syscall.ts"
import { interruptedCall, rewound } from "../tracee/arch.x86_64.ts"

/** Everything of rseq that depends on the CPU architecture. The mirror for aarch64 will stand beside this file. */

/** TASK_SIZE with four and with five levels of page tables. Header: arch/x86/include/asm/page_64_types.h */
const FOUR_LEVELS = TASK_SIZE
const FIVE_LEVELS = (1n << 56n) - 4096n

let found: bigint | undefined

/**
 * First address that user space cannot have: the kernel refuses sections that reach it.
 *
 * Asked once by munmap of a page that only five levels can address: nothing is mapped there, and beyond TASK_SIZE it is EINVAL.
 * Kernel: mm/vma.c do_vmi_munmap()
 */
export function taskSize(): bigint {
  found ??= attempt("munmap", 1n << 52n, 4096) === 0 ? FIVE_LEVELS : FOUR_LEVELS
  return found
}

/** Signature that every libc and library of this architecture registers with. Header: glibc sysdeps/unix/sysv/linux/x86/bits/rseq.h */
export const CUSTOMARY_SIGNATURE = 0x53053053

/** Where a thread's static thread-local storage is counted from. */
export const threadPointer = (registers: Registers): bigint => registers.fs_base

/**
 * Registers that a thread has when the kernel is about to look at its IP: an interrupted system call is rewound first.
 * Kernel: arch/x86/kernel/signal.c arch_do_signal_or_restart() runs before the rseq fix-up of the same exit.
 */
export function settled(registers: Registers): Registers {
  const interrupted = interruptedCall(registers)
  if (interrupted === "none") return registers
  return interrupted === "restart" ? rewound(registers) : rewound(registers, BigInt(syscallNumber("restart_syscall")))
}
