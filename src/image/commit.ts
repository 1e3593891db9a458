import { closeSync, fsyncSync, lstatSync, openSync, readdirSync, renameSync, unlinkSync } from "node:fs"
import { join } from "node:path"
import { CheckpointError } from "../base/errors.ts"
import { logger } from "../base/log.ts"
import { catalog } from "./catalog.ts"
import { temporaryName } from "./directory.ts"
import { ioFailure } from "./failure.ts"
import { imageOf } from "./name.ts"
import type { PendingFile } from "./transaction.ts"
import { verifySet } from "./verify.ts"

const log = logger("image")
const INVENTORY = "inventory.img"

/** inventory.img is the commit record: the last of a set to appear, the first of the older set to go. */
const inventoryLast = (a: string, b: string): number => Number(a === INVENTORY) - Number(b === INVENTORY)

function syncDirectory(directory: string): void {
  const fd = openSync(directory, "r")
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** Images of the older set. Statistics are not among them: the flow replaces those itself. */
function olderImages(directory: string): string[] {
  const isImage = (name: string): boolean => {
    const image = imageOf(name)
    return image !== undefined && catalog[image.kind].framing !== "service"
  }
  const names = readdirSync(directory).filter(isImage).sort(inventoryLast).reverse()
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
    log.warn(`Cannot remove ${path} of the older set: ${String(error)}`)
  }
}

/** Renames that can be taken back, in reverse order. */
function renames(directory: string) {
  const done: (readonly [from: string, to: string])[] = []
  return {
    move(from: string, to: string): void {
      renameSync(join(directory, from), join(directory, to))
      done.push([from, to])
    },
    undo(): void {
      for (const [from, to] of done.toReversed()) renameSync(join(directory, to), join(directory, from))
    },
  }
}

/**
 * Turns temporaries into the set of `directory`: everything on the disk and read again, then the older set moved aside, the new one moved
 * in, inventory.img last. Any failure puts the older set back.
 *
 * @throws CheckpointError E_DISK_FULL, E_DIRECTORY, E_IO
 */
export function commitSet(directory: string, files: readonly PendingFile[], sync: boolean): void {
  const newer = files.toSorted((a, b) => inventoryLast(a.name, b.name))
  if (newer.at(-1)?.name !== INVENTORY) throw new Error("Unreachable: a set without inventory.img")
  const steps = renames(directory)
  const retired: string[] = []
  try {
    if (sync) for (const { fd } of files) fsyncSync(fd)
    verifySet(files)
    for (const name of olderImages(directory)) {
      const aside = temporaryName(`${name}.old`)
      steps.move(name, aside)
      retired.push(aside)
    }
    for (const { name } of newer) {
      // The record must not reach the disk before what it stands for.
      if (sync && name === INVENTORY) syncDirectory(directory)
      steps.move(temporaryName(name), name)
    }
    if (sync) syncDirectory(directory)
  } catch (error) {
    steps.undo()
    throw ioFailure(`Cannot complete the images in ${directory}`, error)
  }
  for (const name of retired) discard(join(directory, name))
}
