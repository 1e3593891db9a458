import { O } from "../../../ffi/abi/file.ts"
import { readDescriptors } from "../../proc/descriptors.ts"
import { readFdInfoIfOpen } from "../../proc/fdinfo.ts"
import type { Found } from "./kind.ts"
import { statPath } from "./stat.ts"

/**
 * Every open descriptor of a process, ascending. One that is closed while it is looked at is left out.
 *
 * @throws CheckpointError E_NO_PROCESS · E_PERMISSION
 * Kernel: fs/proc/fd.c. The links in /proc/PID/fd lead to the very file, whatever became of its name.
 */
export function scanDescriptors(pid: number): Found[] {
  const all: Found[] = []
  for (const { fd, target } of readDescriptors(pid)) {
    const info = readFdInfoIfOpen(pid, fd)
    const stat = info && statPath(`/proc/${pid}/fd/${fd}`, true)
    if (!info || !stat) continue
    all.push({ pid, fd, target, info, stat, flags: info.flags & ~O.CLOEXEC, cloexec: (info.flags & O.CLOEXEC) !== 0 })
  }
  return all
}
