import { S_IF } from "../../../../ffi/abi/file.ts"
import type { fdinfo_entry, file_entry } from "../../../../proto/gen/fdinfo_pb.ts"
import type { reg_file_entry } from "../../../../proto/gen/regfile_pb.ts"
import { CheckpointError, damagedImage } from "../../../base/errors.ts"
import { logger } from "../../../base/log.ts"
import type { Program } from "../../../tracee/program.ts"
import type { Checking } from "../keeping.ts"
import { folderOf } from "../path.ts"
import { type FileStat, isNoExec, isReadOnly, kindName, kindOf, obstacleAt, statPath } from "../stat.ts"
import { hasSize } from "../table.ts"
import { barOn, isForWriting } from "./barred.ts"

const log = logger("files")

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

type How = Checking & {
  readonly buildIdOf: (path: string, stat: FileStat) => number[]
  /** Ids of files that processes execute. */
  readonly executed?: ReadonlySet<number>
  /** Sizes that files will be cut back to, by their names. */
  readonly cuts: ReadonlyMap<string, bigint>
}

/** Whether a file that has grown may be cut back: by whoever has it open for writing. */
const isCut = (entry: reg_file_entry, now: FileStat, { fileChanged }: Pick<Checking, "fileChanged">): boolean =>
  fileChanged === "truncate" && entry.size !== undefined && now.size > entry.size && isForWriting(entry.flags)

/** What files are cut back to, by id, bytes. Looks at paths. */
export function findCuts(files: ReadonlyMap<number, file_entry>, how: Pick<Checking, "fileChanged">): Map<number, bigint> {
  const cuts = new Map<number, bigint>()
  if (how.fileChanged !== "truncate") return cuts
  for (const { id, reg } of files.values()) {
    const now = reg?.size === undefined ? null : statPath(reg.name, false)
    if (reg?.size !== undefined && now && kindOf(now.mode) === S_IF.REG && isCut(reg, now, how)) cuts.set(id, reg.size)
  }
  return cuts
}

/** Appends the cutting of what a process has open. Once it has run, the old end of a file is gone. */
export function cutFiles(fdinfos: readonly fdinfo_entry[], cuts: ReadonlyMap<number, bigint>, program: Program): void {
  for (const { id, fd } of fdinfos) {
    const size = cuts.get(id)
    if (size !== undefined) program.callWith({ about: `fd ${fd}, which has grown` }, "ftruncate", fd, size)
  }
}

/**
 * Checks that a path still leads to a file like the one that was open: kind, permissions, size, build ID. What `how` accepts is a warning.
 *
 * @param pids processes to restore: their files in /proc are not there yet
 * @throws CheckpointError E_FILE_CHANGED · E_IMAGE_UNSUPPORTED · E_IMAGE_CORRUPT
 */
export function checkRegular(entry: reg_file_entry, pids: ReadonlySet<number>, how: How): void {
  const { name, mode, size, ext, mnt_id, build_id } = entry
  if (ext) throw unsupported(name, "it is a file from outside (--external), which is not supported yet")
  if (mnt_id !== undefined && mnt_id !== -1) throw unsupported(name, `it belongs to mount ${mnt_id} of a dumped mount namespace`)
  if (!name.startsWith("/")) throw damagedImage(`Cannot restore file ${entry.id} of files.img`, `"${name}" is no absolute path`)
  if (isOwnProc(name, pids)) return
  const now = statPath(name, false)
  if (!now) throw changed(name, "it does not exist", "Put the file back, or mount the file system that it is on")
  if (mode !== undefined && kindOf(mode) !== kindOf(now.mode))
    throw changed(name, `it is ${kindName(now.mode)} now and was ${kindName(mode)}`, "Put the file back")
  if (isForWriting(entry.flags) && isReadOnly(name))
    throw changed(name, "it was open for writing, and is on a read-only mount now", "Let it be written to: mount -o remount,rw")
  refuseNoExec(entry, name, how)
  const bar = barOn(entry.flags, now)
  if (bar) throw changed(name, `it was open for writing, and is ${bar.word} now`, `Let it be written to: chattr ${bar.option} "${name}"`)
  const judge = (found: string, next: string): void => {
    if (how.fileChanged !== "accept") throw changed(name, found, `${next}; or give --file-changed=accept, and it is opened as it is`)
    log.warn(`"${name}" has changed: ${found}`)
  }
  if (mode !== undefined && mode !== now.mode && !how.skipFileRwxCheck)
    judge(
      `its permissions are ${octal(now.mode)} now and were ${octal(mode)}`,
      `Put them back: chmod ${octal(mode)} "${name}", or give --skip-file-rwx-check`,
    )
  if (size !== undefined && hasSize(now.mode, entry.flags) && size !== now.size && how.cuts.get(name) !== size)
    judge(
      `it has ${now.size} bytes now and had ${size}`,
      "Put back the content that the program knew, for example from a copy made in a post-dump script",
    )
  if (how.fileValidation !== "buildid" || build_id.length === 0 || kindOf(now.mode) !== S_IF.REG) return
  const found = how.buildIdOf(name, now)
  // As CRIU: a file without one is not told apart.
  if (found.length > 0 && words(found) !== words(build_id))
    judge(`its build ID is ${words(found)} now and was ${words(build_id)}`, "Install the version that the program was started from")
}

/** Checks that what is executed may be. @param path whose mount counts */
function refuseNoExec({ id, name }: reg_file_entry, path: string, { executed }: Pick<How, "executed">): void {
  if (executed?.has(id) && isNoExec(path))
    throw changed(
      name,
      "the program executes it, and nothing may be executed from its mount (noexec) now",
      "Allow it: mount -o remount,exec",
    )
}

/** Checks that a deleted file can be made again where it was. @throws CheckpointError E_FILE_CHANGED */
export function checkDeleted(entry: reg_file_entry, how: Pick<How, "executed">): void {
  const { name } = entry
  refuseNoExec(entry, folderOf(name), how)
  const [folder, what] = (name.startsWith("/") && obstacleAt(name)) || []
  if (folder === undefined) return
  throw new CheckpointError(
    "E_FILE_CHANGED",
    `Cannot make the deleted file "${name}" again`,
    `"${folder}" ${what}`,
    "Put the folder back as it was, and mount it so that it can be written to",
  )
}

/** Words of a build ID as people know it: hexadecimal, byte by byte. */
const words = (id: readonly number[]): string => Buffer.from(new Uint32Array(id).buffer).toString("hex")
