import { AT, STATX_BASIC_STATS } from "../../../ffi/abi/file.ts"
import { allocate } from "../../../ffi/syscall.ts"
import { CheckpointError } from "../../base/errors.ts"
import { readDescriptorsIfAlive } from "../../proc/descriptors.ts"
import { readMapsIfAlive } from "../../proc/maps.ts"
import { type Mount, readMountinfo } from "../../proc/mountinfo.ts"
import { procPath, readLinkIfAlive } from "../../proc/source.ts"
import { attemptBeside } from "../../tracee/beside.ts"
import { deadlineIn } from "../../tracee/wait.ts"

/** File systems whose content a program or another machine serves: who asks may wait for ever. */
const SERVED = /^(9p|afs|ceph|cifs|coda|fuse|fuseblk|fuse\.\S+|glusterfs|lustre|nfs4?|orangefs|smb3|virtiofs)$/

/** In a call's memory: the path before it. */
const ANSWER = 4096

/** Paths of what a process has, as the kernel tells them without asking any file system. */
const pathsOf = (pid: number): string[] => [
  ...["cwd", "root", "exe"].flatMap((name) => readLinkIfAlive(procPath(pid, undefined, name)) ?? []),
  ...(readDescriptorsIfAlive(pid) ?? []).map(({ target }) => target),
  ...(readMapsIfAlive(pid) ?? []).map(({ path }) => path),
]

const isAtOrBelow = (path: string, point: string): boolean => path === point || path.startsWith(point === "/" ? "/" : `${point}/`)

/** Whether a mount answers within a time, s (0: it may take for ever). */
function answers({ point }: Mount, seconds: number): boolean {
  // Its own each time: an answer that comes too late is written there.
  const memory = allocate(2 * ANSWER)
  memory.bytes.set(Buffer.from(`${point}\0`).subarray(0, ANSWER))
  const { address } = memory
  const looking = `the look at ${point}`
  return attemptBeside(looking, deadlineIn(seconds), "statx", AT.FDCWD, address, 0, STATX_BASIC_STATS, address + ANSWER) !== undefined
}

/**
 * Makes sure that the servers of the file systems that a tree uses answer, before anything asks them without a deadline.
 *
 * @param root whose mounts they are   @param living its processes   @param seconds as of --timeout
 * @throws CheckpointError E_TIMEOUT names the mount and who uses it · E_INTERRUPTED
 * Kernel: fs/fuse/dev.c request_wait_answer(): not even a kill ends the wait for an answer
 */
export function checkServers(root: number, living: readonly { readonly stat: { readonly pid: number } }[], seconds: number): void {
  const served = readMountinfo(root).filter(({ type }) => SERVED.test(type))
  if (served.length === 0) return
  const used = living.map(({ stat: { pid } }) => ({ pid, paths: pathsOf(pid) }))
  for (const mount of served) {
    const user = used.find(({ paths }) => paths.some((path) => isAtOrBelow(path, mount.point)))
    if (!user || answers(mount, seconds)) continue
    throw new CheckpointError(
      "E_TIMEOUT",
      `Cannot look at the files of process ${user.pid}`,
      `the server of "${mount.point}" (${mount.type}) has not answered within ${seconds} s`,
      `Bring it back, or end the mount (umount -f "${mount.point}"; FUSE also: echo 1 >/sys/fs/fuse/connections/${mount.devMinor}/abort)`,
    )
  }
}
