import { writeSync } from "../../ffi/fs.ts"
import { CheckpointError } from "../base/errors.ts"

/** Milliseconds to wait for a reader whose pipe is full. */
const FULL_PIPE_WAIT = 1

/**
 * Prints a result on standard output, whole, before it returns; a newline is added. A reader that left is no error.
 *
 * @throws CheckpointError E_DISK_FULL · E_IO
 */
export const print = (text: string): void => writeAll(1, `${text}\n`)

/** Prints on standard error, as `print` does on standard output. */
export const printError = (text: string): void => writeAll(2, `${text}\n`)

/** Not process.stdout: it takes 12 ms to open, and what it still holds when the process exits is lost. */
function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text)
  for (let done = 0; done < bytes.length; ) {
    try {
      done += writeSync(fd, bytes, done)
    } catch (error) {
      if (!(error instanceof Error && "code" in error)) throw error
      if (error.code === "EPIPE" || error.code === "EBADF") return
      if (error.code !== "EAGAIN") {
        if (fd === 2) return // There is nobody else to tell.
        throw new CheckpointError(
          error.code === "ENOSPC" ? "E_DISK_FULL" : "E_IO",
          "Cannot print the result",
          `standard output takes nothing (${error.message}); what the command had to do is done`,
          "Do not run a dump or restore again for that: give the output another place",
        )
      }
      Bun.sleepSync(FULL_PIPE_WAIT)
    }
  }
}
