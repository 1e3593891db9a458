import { FileError } from "./fs.ts"
import { doorExists } from "./kernel.ts"
import { attempt, errnoName } from "./syscall.ts"

/** Syncs the file system that a descriptor is on. Node has no such call: undefined where no door exists. @throws FileError */
export const syncfsSync: ((fd: number) => void) | undefined = doorExists ? syncFileSystem : undefined

function syncFileSystem(fd: number): void {
  let answer = attempt("syncfs", fd)
  while (answer < 0 && errnoName(-answer) === "EINTR") answer = attempt("syncfs", fd)
  if (answer < 0) throw new FileError(errnoName(-answer), "syncfs", "")
}
