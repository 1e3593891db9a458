import { AT, STATX_BASIC_STATS } from "../../ffi/abi/file.ts"
import { allocate } from "../../ffi/syscall.ts"
import { CheckpointError } from "../base/errors.ts"
import { type Mount, readMountinfo } from "../proc/mountinfo.ts"
import { attemptBeside } from "../tracee/beside.ts"
import { deadlineIn } from "../tracee/wait.ts"

/** File systems whose content a program or another machine serves: who asks may wait for ever. */
const SERVED = /^(9p|afs|ceph|cifs|coda|fuse|fuseblk|fuse\.\S+|glusterfs|lustre|nfs4?|orangefs|smb3|virtiofs)$/

/** In a call's memory: the path before it. */
const ANSWER = 4096

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

/** Who uses files, in words, and their paths. */
export interface FileUser {
  readonly user: string
  readonly paths: readonly string[]
}

/**
 * Makes sure that the servers of the file systems that a tree uses answer, before anything asks them without a deadline.
 *
 * @param owner process whose mounts they are   @param usersOf asked when some mount is such a one   @param seconds as of --timeout
 * @throws CheckpointError E_TIMEOUT names the mount and who uses it · E_INTERRUPTED
 * Kernel: fs/fuse/dev.c request_wait_answer(): not even a kill ends the wait for an answer
 */
export function checkServers(owner: number, usersOf: () => readonly FileUser[], seconds: number): void {
  const served = readMountinfo(owner).filter(({ type }) => SERVED.test(type))
  if (served.length === 0) return
  const users = usersOf()
  for (const mount of served) {
    const found = users.find(({ paths }) => paths.some((path) => isAtOrBelow(path, mount.point)))
    if (!found || answers(mount, seconds)) continue
    throw new CheckpointError(
      "E_TIMEOUT",
      `Cannot look at the files of ${found.user}`,
      `the server of "${mount.point}" (${mount.type}) has not answered within ${seconds} s`,
      `Bring it back, or end the mount (umount -f "${mount.point}"; FUSE also: echo 1 >/sys/fs/fuse/connections/${mount.devMinor}/abort)`,
    )
  }
}
