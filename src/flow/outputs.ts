import { O } from "../../ffi/abi/file.ts"
import { closeSync, existsSync, openSync, statSync, unlinkSync } from "../../ffi/fs.ts"
import { CheckpointError, complaintsOf } from "../base/errors.ts"
import type { Logger } from "../base/log.ts"
import { probeDirectory } from "../image/directory.ts"
import type { CommonOptions } from "./options.ts"

type Outputs = Pick<CommonOptions, "imagesDir" | "workDir" | "pidfile">

/**
 * Tries what is written only when nothing can be undone any more: the work directory, where one of its own is named, and the pidfile.
 *
 * Precondition: the images' directory exists.
 *
 * @throws CheckpointError E_DIRECTORY, E_DISK_FULL, E_IO
 */
export function checkOutputs({ imagesDir, workDir, pidfile }: Outputs): void {
  // A restore from a read-only directory is none the worse for the statistics that it does not leave there.
  if (workDir !== imagesDir) probeDirectory(workDir, `Cannot write statistics to ${workDir}`, "-W")
  if (pidfile !== undefined) probePidfile(pidfile)
}

function probePidfile(path: string): void {
  try {
    const isNew = !existsSync(path)
    // A FIFO would be waited for, or take our opening for the message.
    if (!isNew && !statSync(path).isFile() && !statSync(path).isDirectory()) return
    closeSync(openSync(path, O.WRONLY | O.CREAT, 0o600))
    if (isNew) unlinkSync(path)
  } catch (error) {
    throw new CheckpointError("E_IO", `Cannot write a PID to "${path}"`, "The file cannot be written", "Choose another --pidfile", error)
  }
}

/** Takes steps after which nothing is undone any more: what fails is told, and changes nothing. */
export function finish(log: Pick<Logger, "warn">, ...steps: readonly (() => void)[]): void {
  for (const { message, next } of complaintsOf(steps)) log.warn(`${message}; ${next}`)
}
