import { closeSync, FileError, writeFileSync, writeSync } from "../../ffi/fs.ts"
import { CheckpointError } from "../base/errors.ts"
import type { CommonOptions } from "./options.ts"

/**
 * Tells whoever waits that the work is done: the PID into --pidfile, then one zero byte into --status-fd, which is closed.
 * A restore calls it when the tree runs, a dump when its images are complete.
 *
 * @param pid root of the tree
 * @throws CheckpointError E_IO: neither is retried; the tree is not touched by this
 *
 * Authority: criu(8), --pidfile and --status-fd; the file is replaced and readable by its owner only, as there.
 */
export function announceReady({ pidfile, statusFd }: Pick<CommonOptions, "pidfile" | "statusFd">, pid: number): void {
  if (pidfile !== undefined) {
    try {
      writeFileSync(pidfile, String(pid), { mode: 0o600 })
    } catch (error) {
      throw new CheckpointError(
        "E_IO",
        `Cannot write PID ${pid} to "${pidfile}"`,
        "The file cannot be written",
        "Choose another --pidfile",
        error,
      )
    }
  }
  if (statusFd === undefined) return
  try {
    writeSync(statusFd, new Uint8Array(1))
    // Not ours to close: whoever passed 0, 1 or 2 still needs them for what we print.
    if (statusFd > 2) closeSync(statusFd)
  } catch (error) {
    const [found, remedy] =
      error instanceof FileError && error.code === "EBADF"
        ? ["It is not open for writing", `Open it so in the shell, for example ${statusFd}>FILE`]
        : ["Nobody reads it any more, or there is no room", "Keep the other end of --status-fd open, and room in it"]
    throw new CheckpointError("E_IO", `Cannot write to descriptor ${statusFd}`, found, remedy, error)
  }
}
