import { dirname, join, resolve } from "node:path"
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, renameSync, rmSync, statSync, unlinkSync } from "../../ffi/fs.ts"
import { lockSync } from "../../ffi/sync.ts"
import { CheckpointError } from "../base/errors.ts"
import { logger } from "../base/log.ts"
import { catalog } from "./catalog.ts"
import { ioFailure } from "./failure.ts"
import { imageOf } from "./name.ts"

const log = logger("image")
export const INVENTORY = "inventory.img"
/** What a temporary is called, behind the process, that holds an image of the older set. */
export const OLD = ".old"
/** The temporary that exists while the images of a new set are moved in. */
export const MARKER = "moving"
const TEMPORARY = /^\.stasis-([1-9][0-9]*)-.*\.tmp$/
const ASIDE = /^\.stasis-[1-9][0-9]*-(.*)\.old\.tmp$/

/** Name an image has until its set is complete: tells which process is writing it. */
export const temporaryName = (name: string): string => `.stasis-${process.pid}-${name}.tmp`

/** The process that a temporary name belongs to; undefined for other names. */
export const writerOf = (name: string): number | undefined => {
  const pid = TEMPORARY.exec(name)?.[1]
  return pid === undefined ? undefined : Number(pid)
}

/** inventory.img is the commit record: the last of a set to appear, the first of the older set to go. */
export const inventoryLast = (a: string, b: string): number => Number(a === INVENTORY) - Number(b === INVENTORY)

/** Images under their own names. Statistics are not among them: the flow replaces those itself. */
export function setFiles(directory: string): string[] {
  return readdirSync(directory).filter((name) => {
    const image = imageOf(name)
    return image !== undefined && catalog[image.kind].framing !== "service"
  })
}

/** Makes the directory when only its last part is missing. @returns whether it was made @throws CheckpointError E_DIRECTORY */
export function makeDirectory(directory: string): boolean {
  if (existsSync(directory)) return false
  if (!existsSync(dirname(directory))) {
    throw new CheckpointError(
      "E_DIRECTORY",
      `Cannot use directory ${directory}`,
      "its parent does not exist",
      "Create it, or name another with -D",
    )
  }
  mkdirSync(directory)
  return true
}

/**
 * Puts back the older set of a run that was killed while it replaced that set. Before inventory.img of the new set is in place, the
 * older one counts: what has been moved in goes, what has been moved aside comes back.
 */
function recover(directory: string, left: readonly string[]): void {
  if (existsSync(join(directory, INVENTORY))) return
  if (left.some((name) => name.endsWith(`-${MARKER}.tmp`))) for (const name of setFiles(directory)) unlinkSync(join(directory, name))
  const older = left.flatMap((name) => {
    const original = ASIDE.exec(name)?.[1]
    return original === undefined ? [] : [{ name, original }]
  })
  for (const { name, original } of older.sort((a, b) => inventoryLast(a.original, b.original))) {
    renameSync(join(directory, name), join(directory, original))
  }
  if (older.length > 0) log.warn(`${directory}: a dump was killed while it replaced this set; the older set is back`)
}

/**
 * Locks a directory against other runs until the descriptor is closed. Where the file system knows no such locks (some network file
 * systems) only temporaries tell of other runs.
 *
 * @returns a descriptor of the directory
 */
function lockDirectory(directory: string): number {
  const fd = openSync(directory, "r")
  try {
    const answer = lockSync?.(fd)
    if (answer === "unsupported") log.debug(`${directory} cannot be locked`)
    if (answer !== "taken") return fd
    const next = "Wait until it has ended, or name another directory with -D"
    throw new CheckpointError("E_DIRECTORY", `Cannot use directory ${directory}`, "another run of stasis is writing there", next)
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

/** Removes what killed runs left; refuses while another run writes here, because two sets would be mixed. */
function clearTemporaries(directory: string): void {
  const left = readdirSync(directory).filter((name) => writerOf(name) !== undefined)
  for (const name of left) {
    const writer = writerOf(name)
    if (writer === process.pid || !existsSync(`/proc/${writer}`)) continue
    const next = `Wait for task ${writer}, or name another directory with -D; if task ${writer} is not stasis, remove ${directory}/.stasis-${writer}-*.tmp`
    throw new CheckpointError("E_DIRECTORY", `Cannot use directory ${directory}`, `task ${writer} is writing ${name} there`, next)
  }
  recover(directory, left)
  for (const name of left) rmSync(join(directory, name), { force: true })
}

/** A directory that takes the images of this run and of no other. */
export interface PreparedDirectory {
  /** Absolute path. */
  readonly directory: string
  /** Whether it did not exist before. */
  readonly made: boolean
  /** Of the directory, opened before the first write to it: holds the lock until it is closed. */
  readonly fd: number
}

/**
 * Makes a directory ready to take images: exists (made when its parent does), is locked against other runs, can be written to, is free of
 * temporaries of dead runs.
 *
 * @throws CheckpointError E_DIRECTORY, E_DISK_FULL
 */
export function prepareDirectory(path: string): PreparedDirectory {
  const directory = resolve(path)
  let fd: number | undefined
  try {
    const made = makeDirectory(directory)
    if (!statSync(directory).isDirectory()) {
      throw new CheckpointError("E_DIRECTORY", `Cannot use directory ${directory}`, "it is not a directory", "Name a directory with -D")
    }
    fd = lockDirectory(directory)
    clearTemporaries(directory)
    probeDirectory(directory, `Cannot write images to ${directory}`)
    return { directory, made, fd }
  } catch (error) {
    if (fd !== undefined) closeSync(fd)
    throw ioFailure(`Cannot write images to ${directory}`, error)
  }
}

/**
 * Tries whether a file can be made in a directory. Not asked: access(2) says yes to root on file systems that will refuse.
 *
 * @param option that names another one
 * @throws CheckpointError E_DIRECTORY, E_DISK_FULL, E_IO
 */
export function probeDirectory(directory: string, action: string, option = "-D"): void {
  const probe = join(directory, temporaryName("probe"))
  try {
    closeSync(openSync(probe, "wx", 0o600))
    unlinkSync(probe)
  } catch (error) {
    throw ioFailure(action, error, option)
  }
}
