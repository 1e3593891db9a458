import { F, O } from "../../../../ffi/abi/file.ts"
import { PIDFD_THREAD } from "../../../../ffi/abi/pidfd.ts"
import { syscall } from "../../../../ffi/syscall.ts"
import type { file_entry } from "../../../../proto/gen/fdinfo_pb.ts"
import { startWaiter } from "../../../tracee/seed.ts"
import type { Deadline } from "../../../tracee/wait.ts"
import { openStoodIn } from "../stood-in.ts"
import { isDeparted } from "./restore.ts"

/** Files that lead to processes which had ended, those of one process together: two of them must stay equal in st_ino. */
export const groupDeparted = (files: ReadonlyMap<number, file_entry>): file_entry[][] => [
  ...Map.groupBy([...files.values()].filter(isDeparted), ({ pidfd }) => pidfd?.ino ?? 0).values(),
]

/**
 * Makes the descriptors of one departed process: a child of ours takes its place, and is ended and reaped. What is left of it is what a
 * pidfd keeps, as it was before; its exit status (PIDFD_GET_INFO, Linux 6.15) is that of a kill.
 *
 * @returns close-on-exec descriptors by file id, the caller's   @throws SyscallError · CheckpointError E_TIMEOUT, E_INTERRUPTED
 * Kernel: fs/pidfs.c, kernel/pid.c pidfd_create()
 */
export function makeDeparted(group: readonly file_entry[], deadline: Deadline): Map<number, number> {
  const child = startWaiter(deadline)
  return openStoodIn(child, group, ({ pidfd }) => {
    const flags = pidfd?.flags ?? 0
    const fd = syscall("pidfd_open", child, flags & PIDFD_THREAD)
    const settable = flags & (O.NONBLOCK | O.ASYNC)
    if (settable) syscall("fcntl", fd, F.SETFL, settable)
    return fd
  })
}
