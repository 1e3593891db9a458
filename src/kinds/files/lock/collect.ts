import type { file_lock_entry } from "../../../../proto/gen/file-lock_pb.ts"
import { type FileLock, fileLocks } from "../../../proc/locks.ts"
import type { Found, Reason } from "../collecting.ts"
import type { Shared } from "../group-shared.ts"
import type { Keeping } from "../keeping.ts"
import { isNameless } from "../overlay.ts"
import { LOCK_FLAG, LOCK_TYPE } from "./words.ts"

/** Why locks held through a descriptor cannot be kept; undefined when they can, or there are none. */
export function refuseLocks({ pid, fd, target, stat, info }: Found, { fileLocks: areKept }: Keeping): Reason | undefined {
  const locks = fileLocks(info)
  const refusal = (what: string, remedy: string): Reason => ({ what: `"${target}" with ${what}`, remedy })
  for (const lock of locks) {
    const shown = `${lock.kind} ${lock.access}`
    if (!areKept) return refusal(`a lock (${shown})`, "Give --file-locks (-l), or let the program release the lock before the dump")
    if (LOCK_FLAG[lock.kind] === undefined || LOCK_TYPE[lock.access] === undefined || lock.mode === "MANDATORY")
      return refusal(`a lock of a kind that cannot be kept (${lock.mode} ${shown})`, "Let the program release the lock before the dump")
    if (lock.mode === "BREAKING" || lock.mode === "BREAKER")
      return refusal("a lease that another process waits for", "Let the program give up its lease before the dump")
    // To read the file would break it.
    if (lock.kind === "LEASE" && lock.access === "WRITE" && isNameless(`/proc/${pid}/fd/${fd}`, target, stat))
      return refusal("a write lease, which has no name any more", "Let the program give up its lease before the dump")
  }
  return undefined
}

const entryOf = ({ kind, access, start, end }: FileLock, { pid, fd }: Found): file_lock_entry => ({
  flag: LOCK_FLAG[kind] ?? 0,
  type: LOCK_TYPE[access] ?? 0,
  pid,
  fd,
  start,
  len: end === null ? 0n : end - start + 1n,
})

/**
 * The locks held through one open file -> their entries, each once. Mirror: ./restore.ts
 *
 * Those of fcntl(2) belong to the processes, all others to the open file. Who waits for a lock is not shown: it asks again when it goes on.
 * Precondition: `refuseLocks` has seen every descriptor. Kernel: fs/locks.c __show_fd_locks()
 */
export function collectFileLocks(shared: Shared): file_lock_entry[] {
  const [first] = shared
  if (shared.every(({ info }) => info.lines.length === 0)) return []
  const own = [...Map.groupBy(shared, ({ pid }) => pid).values()].flatMap(([found]) =>
    found ? fileLocks(found.info).flatMap((lock) => (lock.kind === "POSIX" ? [entryOf(lock, found)] : [])) : [],
  )
  return [...fileLocks(first.info).flatMap((lock) => (lock.kind === "POSIX" ? [] : [entryOf(lock, first)])), ...own]
}
