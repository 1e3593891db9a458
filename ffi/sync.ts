import { FileError } from "./fs.ts"
import { doorExists } from "./kernel.ts"
import { attempt, errnoName } from "./syscall.ts"

/** Syncs the file system that a descriptor is on. Node has no such call: undefined where no door exists. @throws FileError */
export const syncfsSync: ((fd: number) => void) | undefined = doorExists ? syncFileSystem : undefined

const [LOCK_EX, LOCK_NB] = [2, 4] as const
/** What file systems answer that have no such locks, or (NFS) none through a descriptor for reading. Man page: flock(2) */
const NO_LOCKS: readonly string[] = ["ENOSYS", "EOPNOTSUPP", "EINVAL", "EBADF", "ENOLCK"]

/**
 * Takes a file's or directory's lock, which goes with the descriptor, or says at once that another open file has it. Node has no such call:
 * undefined where no door exists.
 *
 * @throws FileError
 */
export const lockSync: ((fd: number) => "locked" | "taken" | "unsupported") | undefined = doorExists ? lock : undefined

function lock(fd: number): "locked" | "taken" | "unsupported" {
  for (;;) {
    const answer = attempt("flock", fd, LOCK_EX | LOCK_NB)
    if (answer === 0) return "locked"
    const code = errnoName(-answer)
    if (code === "EAGAIN") return "taken"
    if (NO_LOCKS.includes(code)) return "unsupported"
    if (code !== "EINTR") throw new FileError(code, "flock", "")
  }
}

function syncFileSystem(fd: number): void {
  let answer = attempt("syncfs", fd)
  while (answer < 0 && errnoName(-answer) === "EINTR") answer = attempt("syncfs", fd)
  if (answer < 0) throw new FileError(errnoName(-answer), "syncfs", "")
}
