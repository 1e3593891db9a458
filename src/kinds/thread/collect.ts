import { PR } from "../../../ffi/abi/prctl.ts"
import { allocate, syscall } from "../../../ffi/syscall.ts"
import type { thread_core_entry } from "../../../proto/gen/core_pb.ts"
import type { Answers, Data, Program } from "../../tracee/program.ts"

const memory = allocate(4096)

/**
 * Head and length (bytes) of a thread's list of robust futexes; address 0 when it never set one. Asked from outside. Mirror: ./restore.ts
 *
 * @throws SyscallError ESRCH gone · EPERM no ptrace access. Kernel: get_robust_list(2)
 */
export function collectRobustList(tid: number): Pick<thread_core_entry, "futex_rla" | "futex_rla_len"> {
  syscall("get_robust_list", tid, memory.address, memory.address + 8)
  return { futex_rla: memory.view.getBigUint64(0, true), futex_rla_len: Number(memory.view.getBigUint64(8, true)) }
}

/** Appends prctl(PR_GET_TID_ADDRESS) to a thread's own program. It needs CONFIG_CHECKPOINT_RESTORE: EINVAL without. */
export function askTidAddress(program: Program): Data {
  const room = program.room(8)
  program.callWith(
    { about: "the address that is cleared when the thread ends (CONFIG_CHECKPOINT_RESTORE)" },
    "prctl",
    PR.GET_TID_ADDRESS,
    room,
    0,
    0,
    0,
  )
  return room
}

/** Address that the kernel clears and wakes when the thread ends, 0 = none: clear_tid_addr of the image. Mirror: ./restore.ts */
export function collectTidAddress(answers: Answers, question: Data): bigint {
  const bytes = answers.bytes(question)
  return new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true)
}
