import { dirname } from "node:path"
import { O } from "../../ffi/abi/file.ts"
import { fstatSync, openSync } from "../../ffi/fs.ts"
import { CheckpointError } from "../base/errors.ts"
import { logTo } from "../base/log.ts"
import type { CommonOptions } from "../flow/options.ts"
import { makeDirectory } from "../image/directory.ts"
import type { CommandName } from "./commands.ts"
import { misused } from "./refuse.ts"

/**
 * Begins to log where the command line says, and looks whether the descriptor of --status-fd is open: before anything is touched. A dump's
 * log may be the first file in a directory of images, which is made then.
 *
 * @throws CheckpointError E_USAGE the descriptor is closed · E_DIRECTORY the log file cannot be written
 * Authority: criu(8), -o: the file is emptied first, and readable by its owner only.
 */
export function openSession(
  command: CommandName,
  { logFile, verbosity, statusFd, imagesDir }: Pick<CommonOptions, "logFile" | "verbosity" | "statusFd"> & { readonly imagesDir?: string },
): void {
  if (statusFd !== undefined && !isOpen(statusFd))
    throw misused(command, `--status-fd ${statusFd} is not open`, `Open it in the shell, for example ${statusFd}>FILE`)
  if (logFile !== undefined) logTo(openLog(logFile, command === "dump" && dirname(logFile) === imagesDir), verbosity)
}

function openLog(path: string, makesDirectory: boolean): number {
  try {
    if (makesDirectory) makeDirectory(dirname(path))
    return openSync(path, O.WRONLY | O.CREAT | O.TRUNC | O.APPEND, 0o600)
  } catch (error) {
    throw new CheckpointError(
      "E_DIRECTORY",
      `Cannot log to "${path}"`,
      "The file cannot be opened",
      "Create its directory, or choose another with -o or -W",
      error,
    )
  }
}

function isOpen(fd: number): boolean {
  try {
    fstatSync(fd)
    return true
  } catch {
    return false
  }
}
