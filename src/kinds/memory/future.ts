import { MAP, MCL, PROT } from "../../../ffi/abi/mman.ts"
import { PAGE_SIZE } from "../../base/units.ts"
import { type Answers, Program } from "../../tracee/program.ts"

/**
 * Flags of mlockall(2) under which a process makes new areas: 0, MCL_FUTURE, or MCL_FUTURE | MCL_ONFAULT. No call and no file tells them,
 * but an area that was made for us since shows them: it counts as locked.
 *
 * @param before KiB locked (VmLck) before that area was made   @param now the same since   @param area its size, bytes
 * @param run has the process run a program: only asked when the area is locked
 * Kernel: mm/mmap.c calc_vm_flag_bits(), mm->def_flags
 */
export function collectFutureLocks(before: number, now: number, area: number, run: (program: Program) => Answers): number {
  if (now - before < area / 1024) return 0
  const program = new Program()
  const page = program.call("mmap", 0, PAGE_SIZE, PROT.READ, MAP.PRIVATE | MAP.ANONYMOUS, -1, 0)
  // Without ONFAULT the pages of a locked area are there at once, mapped to the zero page.
  const resident = program.room(1)
  program.callWith({ mayFail: true }, "mincore", page, PAGE_SIZE, resident)
  program.call("munmap", page, PAGE_SIZE)
  const [populated = 0] = run(program).bytes(resident)
  return populated & 1 ? MCL.FUTURE : MCL.FUTURE | MCL.ONFAULT
}

/**
 * Appends mlockall for new areas only. Mirror: `collectFutureLocks`
 *
 * Precondition: all areas are made; CAP_IPC_LOCK is not yet dropped.
 */
export function restoreFutureLocks(flags: number | undefined, program: Program): void {
  if (flags) program.callWith({ about: "the lock of new areas (CAP_IPC_LOCK, RLIMIT_MEMLOCK)" }, "mlockall", flags)
}
