import type { reg_file_entry } from "../../../../proto/gen/regfile_pb.ts"
import { CheckpointError } from "../../../base/errors.ts"
import { kindName, kindOf, statPath } from "../stat.ts"
import { hasSize } from "../table.ts"

const changed = (name: string, found: string, next: string): CheckpointError =>
  new CheckpointError("E_FILE_CHANGED", `Cannot restore the open file "${name}"`, found, next)

const unsupported = (name: string, found: string): CheckpointError =>
  new CheckpointError(
    "E_IMAGE_UNSUPPORTED",
    `Cannot restore the open file "${name}"`,
    found,
    "Restore this image with CRIU, or dump the program without it",
  )

const octal = (mode: number): string => `0${(mode & 0o7777).toString(8)}`

/** Names below /proc that exist only when the processes do. */
const isOwnProc = (name: string, pids: ReadonlySet<number>): boolean => pids.has(Number(/^\/proc\/(\d+)(?:\/|$)/.exec(name)?.[1]))

/**
 * Checks that a path still leads to a file like the one that was open: kind, permissions, size. The build ID of an image made by CRIU
 * is not compared.
 *
 * @param pids processes to restore: their files in /proc are not there yet
 * @throws CheckpointError E_FILE_CHANGED · E_IMAGE_UNSUPPORTED · E_IMAGE_CORRUPT
 */
export function checkRegular(entry: reg_file_entry, pids: ReadonlySet<number>): void {
  const { name, mode, size, ext, mnt_id } = entry
  if (ext) throw unsupported(name, "it is a file from outside (--external), which is not supported yet")
  if (mnt_id !== undefined && mnt_id !== -1) throw unsupported(name, `it belongs to mount ${mnt_id} of a dumped mount namespace`)
  if (!name.startsWith("/"))
    throw new CheckpointError(
      "E_IMAGE_CORRUPT",
      `Cannot restore file ${entry.id} of files.img`,
      `"${name}" is no absolute path`,
      "Dump the program again",
    )
  if (isOwnProc(name, pids)) return
  const now = statPath(name, false)
  if (!now) throw changed(name, "it does not exist", "Put the file back, or mount the file system that it is on")
  if (mode !== undefined && kindOf(mode) !== kindOf(now.mode))
    throw changed(name, `it is ${kindName(now.mode)} now and was ${kindName(mode)}`, "Put the file back")
  if (mode !== undefined && mode !== now.mode)
    throw changed(
      name,
      `its permissions are ${octal(now.mode)} now and were ${octal(mode)}`,
      `Put them back: chmod ${octal(mode)} "${name}"`,
    )
  if (size !== undefined && hasSize(now.mode, entry.flags) && size !== now.size)
    throw changed(
      name,
      `it has ${now.size} bytes now and had ${size}`,
      "Put back the content that the program knew, for example from a copy made in a post-dump script",
    )
}
