import { writeSync } from "../../ffi/fs.ts"

/** Milliseconds to wait for a reader whose pipe is full. */
const FULL_PIPE_WAIT = 1

/** Prints a result on standard output, whole, before it returns; a newline is added. A reader that left is no error. */
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
      if (error.code !== "EAGAIN") throw error
      Bun.sleepSync(FULL_PIPE_WAIT)
    }
  }
}
