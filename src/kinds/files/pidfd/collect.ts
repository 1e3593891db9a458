import { O } from "../../../../ffi/abi/file.ts"
import { PIDFD_THREAD } from "../../../../ffi/abi/pidfd.ts"
import type { pidfd_entry } from "../../../../proto/gen/pidfd_pb.ts"
import type { Found, OpenFile, Reason, Surveying } from "../collecting.ts"

/** PID of who has ended and was reaped, in fdinfo and in images. */
export const DEPARTED = -1
/** What the images have room for: inode numbers of processes that ended differ in their lower half. */
const INO = 0xffffffffn

/** The link of a process descriptor: a file of pidfs since Linux 6.9, before that an inode that all such files share. */
export const isPidfd = ({ target }: Pick<Found, "target">): boolean => target === "anon_inode:[pidfd]" || target.startsWith("pidfd:[")

/** The process as its own PID namespace knows it. Kernel: fs/pidfs.c pidfd_show_fdinfo() */
function pidOf({ info }: Pick<Found, "info">): number {
  if (Number(info.dec("Pid")) === DEPARTED || !info.has("NSpid")) return Number(info.dec("Pid"))
  return Number(info.text("NSpid").split(/\s+/).at(-1))
}

/** A descriptor of a process that goes on outside would be that of another one wherever the dump is restored. */
export function refusePidfd(found: Found, { members }: Pick<Surveying, "members">): Reason | undefined {
  const seen = Number(found.info.dec("Pid"))
  if (seen === DEPARTED) return undefined
  if (found.pid === process.pid)
    return {
      what: `a process descriptor that nobody has received yet ("${found.target}")`,
      remedy: "Dump again when the program has received it",
    }
  if (members?.has(seen) !== false) return undefined
  const who = seen === 0 ? "a process of another PID namespace" : `task ${seen}`
  if (found.flags & PIDFD_THREAD)
    return {
      what: `a descriptor of a thread or of ${who}, which is not the leader of a process of the dump ("${found.target}")`,
      remedy: "Let the program close it before the dump, or watch the leader",
    }
  return {
    what: `a process descriptor of ${who}, which is not part of the dump ("${found.target}")`,
    remedy: "Dump the tree that has both, or let the program close it before the dump",
  }
}

/** An open pidfd -> its entry. Mirror: ./restore.ts. Man page: pidfd_open(2) */
export const collectPidfd = ({ id, flags, owner, info, stat }: OpenFile): pidfd_entry => ({
  id,
  ino: Number(stat.ino & INO),
  flags: flags & ~O.RDWR,
  nspid: pidOf({ info }),
  fown: owner,
})
