import { dirname, join } from "node:path"
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from "../../../ffi/fs.ts"
import { pause } from "../../../ffi/interrupt.ts"
import type { cgroup_perms } from "../../../proto/gen/cgroup_pb.ts"
import { CheckpointError } from "../../base/errors.ts"
import { logger } from "../../base/log.ts"
import { isFrozen } from "./freezer.ts"
import type { CgroupMode } from "./modes.ts"
import { momentOf, type PropertyMoment, savedValue, writesFor } from "./properties.ts"
import type { CgroupPlace, CgroupPlan, PlannedDirectory } from "./restore.ts"

const log = logger("cgroup")

/** Cgroups that a restore has made ready. Disposal removes those it has made, unless they were kept: no task may be in them then. */
export interface PreparedCgroups extends Disposable {
  /** All threads are in one set: where the root is, the others are born. */
  readonly uniform: boolean
  /**
   * Moves a whole process, which may be stopped, to where its set is. What it makes later is born there.
   * @throws CheckpointError E_RESTORE
   */
  placeProcess(pid: number, set: number): void
  /** Moves one thread whose set is not its process's. Only version 1 and threaded cgroups allow that. @throws CheckpointError E_RESTORE */
  placeThread(tid: number, set: number): void
  /** Sets limits and all else that could have hurt the making of the processes. @throws CheckpointError E_RESTORE */
  setLimits(): void
  /** The processes run: what was frozen freezes again, and the directories stay. */
  keep(): void
}

const ACTION = "Cannot restore the cgroups"
/** Kernel: a directory stays busy for a moment after its last task was reaped. Tries, 5 ms each. */
const TRIES = 200
const SUBTREE = "cgroup.subtree_control"

/**
 * Makes the directories of a plan, as far as the mode says so.
 *
 * @throws CheckpointError E_RESTORE: nothing that was made is left
 * Man page: cgroups(7)
 */
export function prepareCgroups({ directories, places }: CgroupPlan, mode: CgroupMode): PreparedCgroups {
  const made: PlannedDirectory[] = []
  let kept = false
  const prepared: PreparedCgroups = {
    uniform: places.size <= 1,
    placeProcess: (pid, set) => {
      for (const place of places.get(set) ?? []) move(pid, join(place.directory, "cgroup.procs"))
    },
    placeThread: (tid, set) => {
      for (const place of places.get(set) ?? []) move(tid, join(place.directory, place.version === 1 ? "tasks" : "cgroup.threads"))
    },
    setLimits: () => {
      for (const directory of chosen()) applyProperties(directory, "late")
    },
    keep: () => {
      kept = true
      for (const directory of chosen()) {
        try {
          applyProperties(directory, "last")
        } catch (error) {
          log.warn(`${directory.directory} does not freeze again: ${error instanceof Error ? error.message : error}`)
        }
      }
    },
    [Symbol.dispose]: () => {
      if (!kept) for (const { directory } of made.splice(0).reverse()) remove(directory)
    },
  }
  const chosen = (): readonly PlannedDirectory[] =>
    mode === "none" ? [] : mode === "soft" ? made : directories.filter(({ saved, isOurs }) => saved && !(isOurs && mode === "strict"))
  try {
    for (const planned of directories) {
      makeDirectory(planned, mode, made)
      if (chosen().includes(planned)) applyProperties(planned, "early")
    }
    for (const place of new Set([...places.values()].flat())) refuseFrozen(place)
    return prepared
  } catch (error) {
    prepared[Symbol.dispose]()
    throw error
  }
}

function makeDirectory(planned: PlannedDirectory, mode: CgroupMode, made: PlannedDirectory[]): void {
  const { directory, saved, isOurs, perms } = planned
  if (existsSync(directory)) {
    if (mode === "strict" && saved && !isOurs)
      throw failed(`${directory} exists already`, "Remove it, or restore with --manage-cgroups=soft")
    return
  }
  if (mode === "none" || mode === "props")
    throw failed(`${directory} does not exist`, "Make it beforehand, or restore with --manage-cgroups=soft, which makes it")
  try {
    mkdirSync(directory)
  } catch (error) {
    throw failed(`${directory} cannot be made`, "Run as root; look at cgroup.max.descendants and cgroup.max.depth above it", error)
  }
  made.push(planned)
  if (perms) givePerms(directory, perms)
  if (!saved) inherit(planned)
}

/**
 * Gives a directory that the images do not hold what those below it need: a new version 1 cpuset is empty, and neither a task nor a
 * child's set fits into it; one of version 2 hands no controller down.
 */
function inherit({ directory, hierarchy: { controllers } }: PlannedDirectory): void {
  const above = (name: string): string => join(dirname(directory), name)
  try {
    if (controllers.includes("cpuset"))
      for (const name of ["cpuset.cpus", "cpuset.mems"]) writeFileSync(join(directory, name), readFileSync(above(name)))
    if (controllers.length > 0 || !existsSync(above(SUBTREE))) return
    for (const { file, text } of writesFor(SUBTREE, readFileSync(above(SUBTREE), "utf8").trim(), ""))
      writeFileSync(join(directory, file), text)
  } catch (error) {
    throw failed(`${directory} cannot be made like the one above it`, "Make it beforehand", error)
  }
}

/** Sets the properties of one moment. What fails is tried once more after the rest: two limits may have to change in the other order. */
function applyProperties({ directory, properties }: PlannedDirectory, moment: PropertyMoment): void {
  const mine = properties.filter(({ name }) => momentOf(name) === moment)
  const apply = ({ name, value, perms }: (typeof mine)[number]): unknown => {
    const file = join(directory, name)
    if (!existsSync(file)) {
      log.warn(`${file} does not exist here: its value "${value}" is lost`)
      return undefined
    }
    try {
      for (const { file: into, text } of writesFor(name, value, currentValue(file, name))) {
        log.debug(`${text} into ${directory}/${into}`)
        writeFileSync(join(directory, into), text)
      }
      if (perms) givePerms(file, perms)
      return undefined
    } catch (error) {
      return error
    }
  }
  for (const property of mine.filter((property) => apply(property) !== undefined)) {
    const error = apply(property)
    if (error)
      throw failed(
        `${directory}/${property.name} does not become "${property.value}"`,
        "Look at the limits above it; --manage-cgroups=none sets no property",
        error,
      )
  }
}

function currentValue(file: string, name: string): string {
  try {
    return savedValue(name, readFileSync(file, "utf8"))
  } catch {
    return "" // cannot be read in this kind of cgroup: the write tells whether it can be set
  }
}

/** Owner and mode, where they differ. */
function givePerms(path: string, { mode, uid, gid }: cgroup_perms): void {
  const now = statSync(path)
  if (now.uid !== uid || now.gid !== gid) chownSync(path, uid, gid)
  if ((now.mode & 0o7777) !== (mode & 0o7777)) chmodSync(path, mode & 0o7777)
}

/** A task that is moved into a frozen cgroup could not be built any further. */
function refuseFrozen({ directory }: CgroupPlace): void {
  if (isFrozen(directory)) throw failed(`${directory} is frozen`, "Thaw it, then restore again")
}

function move(task: number, file: string): void {
  try {
    writeFileSync(file, `${task}`)
    log.debug(`moved task ${task} by ${file}`)
  } catch (error) {
    throw failed(
      `task ${task} cannot be moved by ${file}`,
      "Look at cgroups(7) for what its kind of cgroup takes, or restore with --manage-cgroups=ignore",
      error,
    )
  }
}

function remove(directory: string): void {
  for (let tries = 1; ; tries++) {
    try {
      rmdirSync(directory)
      return
    } catch (error) {
      if (tries === TRIES) {
        log.warn(`${directory} was made for this restore and cannot be removed: ${error instanceof Error ? error.message : error}`)
        return
      }
      pause(5)
    }
  }
}

const failed = (found: string, next: string, cause?: unknown): CheckpointError =>
  new CheckpointError("E_RESTORE", ACTION, found, next, cause)
