import { join } from "node:path"
import { existsSync, fsyncSync, lstatSync, renameSync, unlinkSync, writeFileSync } from "../../ffi/fs.ts"
import { syncfsSync } from "../../ffi/sync.ts"
import { CheckpointError } from "../base/errors.ts"
import { logger } from "../base/log.ts"
import { INVENTORY, inventoryLast, MARKER, OLD, type PreparedDirectory, setFiles, temporaryName, writerOf } from "./directory.ts"
import { ioFailure } from "./failure.ts"
import { closePending, MANY_FILES, OpenFiles, type PendingFile } from "./pending.ts"
import { verifySet } from "./verify.ts"

const log = logger("image")

/**
 * Waits until all files are on their disk; an error of any of them is an error here.
 *
 * Man page: syncfs(2), which since Linux 5.8 tells write errors of the file system as of the moment when the descriptor was opened: before
 * the first file was. Others' errors on that file system count too: better one dump too few than one that is not there.
 *
 * @param directoryFd of the files' directory
 */
function syncFiles(files: readonly PendingFile[], directoryFd: number): void {
  const someClosed = files.some(({ fd }) => fd === undefined)
  const open = new OpenFiles()
  if (syncfsSync && (someClosed || files.length >= MANY_FILES)) syncfsSync(directoryFd)
  else for (const file of files) fsyncSync(open.descriptorOf(file))
}

/** Images of the older set, in the order in which they go. */
function olderImages(directory: string): string[] {
  const names = setFiles(directory).sort(inventoryLast).reverse()
  const foreign = names.find((name) => lstatSync(join(directory, name)).isDirectory())
  if (foreign === undefined) return names
  const next = "Move that directory away, or name another with -D"
  throw new CheckpointError("E_DIRECTORY", `Cannot complete the images in ${directory}`, `${foreign} is a directory, not an image`, next)
}

/** The set is complete whatever happens here: what stays is removed by the next run. */
function discard(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    log.warn(`Cannot remove ${path}, which is not needed any more: ${String(error)}`)
  }
}

/** Renames that can be taken back, in reverse order. */
function renames(directory: string) {
  const done: (readonly [from: string, to: string])[] = []
  const back = ([from, to]: readonly [string, string]): void => renameSync(join(directory, to), join(directory, from))
  return {
    move(from: string, to: string): void {
      renameSync(join(directory, from), join(directory, to))
      done.push([from, to])
    },
    /**
     * Takes back what can be, so that `recover` of the next run can do the rest: as long as the marker is there, what has the name of an
     * image counts as new; without it, as older, if there is no inventory.img.
     */
    undo(marker: string): void {
      const [older, newer] = [done.filter(([from]) => writerOf(from) === undefined), done.filter(([from]) => writerOf(from) !== undefined)]
      try {
        for (const step of newer.toReversed()) back(step)
        if (existsSync(marker)) unlinkSync(marker)
      } catch (error) {
        log.error(`${directory} is left to the next run, which brings the older set back: ${String(error)}`)
        return
      }
      let whole = true
      for (const step of older.toReversed())
        try {
          if (whole || step[0] !== INVENTORY) back(step)
        } catch (error) {
          whole = false
          log.error(`${directory}: the next run brings ${step[0]} back: ${String(error)}`)
        }
    },
  }
}

/** Brings files to the disk and reads them again. */
function settle(files: readonly PendingFile[], directoryFd: number, sync: boolean): void {
  const open = files.filter(({ settled }) => !settled)
  if (sync) syncFiles(open, directoryFd)
  for (const file of open) closePending(file)
  verifySet(open)
  for (const file of open) file.settled = true
}

/**
 * Does what `commitSet` would do with images that have been written by now, and looks whether it could replace the older set.
 *
 * @param files no pagemap is among them   @throws CheckpointError E_DISK_FULL, E_DIRECTORY, E_IO
 */
export function settleSet({ directory, fd }: PreparedDirectory, files: readonly PendingFile[], sync: boolean): void {
  try {
    settle(files, fd, sync)
    olderImages(directory)
  } catch (error) {
    throw ioFailure(`Cannot complete the images in ${directory}`, error)
  }
}

/**
 * Turns temporaries into the set of `directory`: everything on the disk and read again, then the older set moved aside, the new one moved
 * in, inventory.img last. Any failure puts the older set back.
 *
 * @param sync whether it waits for the disk   @throws CheckpointError E_DISK_FULL, E_DIRECTORY, E_IO
 */
export function commitSet({ directory, fd }: PreparedDirectory, files: readonly PendingFile[], sync: boolean): void {
  const newer = files.toSorted((a, b) => inventoryLast(a.name, b.name))
  if (newer.at(-1)?.name !== INVENTORY) throw new Error("Unreachable: a set without inventory.img")
  const steps = renames(directory)
  const retired: string[] = []
  const marker = join(directory, temporaryName(MARKER))
  try {
    settle(files, fd, sync)
    for (const name of olderImages(directory)) {
      const aside = temporaryName(`${name}${OLD}`)
      steps.move(name, aside)
      retired.push(aside)
    }
    // From here on, images under their own names are those of the new set: what recovery goes by.
    writeFileSync(marker, "")
    for (const { name } of newer) {
      // The record must not reach the disk before what it stands for.
      if (sync && name === INVENTORY) fsyncSync(fd)
      steps.move(temporaryName(name), name)
    }
    if (sync) fsyncSync(fd)
  } catch (error) {
    steps.undo(marker)
    throw ioFailure(`Cannot complete the images in ${directory}`, error)
  }
  for (const path of [...retired.map((name) => join(directory, name)), marker]) discard(path)
}
