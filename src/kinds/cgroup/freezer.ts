import { join } from "node:path"
import { O } from "../../../ffi/abi/file.ts"
import { closeSync, existsSync, lstatSync, openSync, readdirSync, readFileSync, writeFileSync } from "../../../ffi/fs.ts"
import { pause } from "../../../ffi/interrupt.ts"
import { CheckpointError } from "../../base/errors.ts"
import { logger } from "../../base/log.ts"
import { type Guard, standGuard } from "../../tracee/guard.ts"
import { checkDeadline, cleanupDeadline, type Deadline } from "../../tracee/wait.ts"

const log = logger("cgroup")

/** The two freezers: their switch, its values, and the file that tells when all tasks are frozen. */
const FREEZERS = [
  { file: "freezer.state", on: "FROZEN", off: "THAWED", report: "freezer.state", frozen: /^FROZEN/m },
  { file: "cgroup.freeze", on: "1", off: "0", report: "cgroup.events", frozen: /^frozen 1/m },
] as const
type Freezer = (typeof FREEZERS)[number]

/**
 * Any freezer that does not say that its tasks run, those of the directories above included. Kernel: freezer_read(), cgroup_events_show()
 */
export function isFrozen(directory: string): boolean {
  const freezer = freezerOf(directory)
  if (!freezer) return false
  const text = read(join(directory, freezer.report))
  return freezer.frozen.test(text) || text.startsWith("FREEZING")
}

/** A cgroup that is frozen by us, or was already. Disposal, which may be repeated, brings its switch back to where it was found. */
export interface FrozenCgroup extends Disposable {
  /**
   * Lets the tasks run as far as nobody else holds them. Those that were seized and interrupted stop before they run anything of
   * their own. Call it when every task is seized: under version 1 none reports a ptrace stop before, and under both none could run
   * anything for us. May be repeated.
   */
  thaw(): void
  /** File of the switch and its value as found: what a dump has to save. */
  readonly file: string
  readonly found: string
}

/**
 * Freezes a cgroup with all below it, so that no task in it can fork, thread or end while they are seized.
 *
 * A small process outlives the tool if that is killed, and brings the switch back.
 *
 * @param directory of a version 1 freezer hierarchy, or of version 2
 * @throws CheckpointError E_DIRECTORY it has no freezer · E_SELF the tool is in it · E_TIMEOUT, E_INTERRUPTED: thawed again
 * Kernel: Documentation/admin-guide/cgroup-v1/freezer-subsystem.rst, cgroup-v2.rst cgroup.freeze
 */
export function freezeCgroup(directory: string, deadline: Deadline): FrozenCgroup {
  const action = `Cannot freeze the cgroup ${directory}`
  const freezer = freezerOf(directory)
  if (!freezer)
    throw new CheckpointError(
      "E_DIRECTORY",
      action,
      existsSync(directory) ? "it has neither freezer.state nor cgroup.freeze" : "there is no such directory",
      "Name a directory of a freezer hierarchy, such as /sys/fs/cgroup/freezer/NAME or /sys/fs/cgroup/NAME",
    )
  if (tasksWithin(directory).has(process.pid))
    throw new CheckpointError("E_SELF", action, "stasis itself is in it", "Start stasis from another cgroup")
  const file = join(directory, freezer.file)
  const found = switchOf(directory, freezer)
  const guard = startGuard(file, found)
  let current: string = found
  let ended = false
  const turn = (value: string): void => {
    if (current === value) return
    writeFileSync(file, value)
    current = value
  }
  const cgroup: FrozenCgroup = {
    file,
    found,
    thaw: () => {
      turn(freezer.off)
      // Version 1 reports THAWED at once; version 2 needs no wait, for held tasks stay where they are.
      if (isFrozen(directory))
        throw new CheckpointError("E_UNSUPPORTED", action, "a cgroup above it is frozen", "Name the topmost frozen cgroup")
    },
    [Symbol.dispose]: () => {
      if (ended) return
      ended = true
      try {
        turn(found)
        if (found === freezer.on) waitFrozen(freezer, directory, cleanupDeadline())
      } catch (error) {
        log.error(`${file} does not become ${found} again: ${error instanceof Error ? error.message : error}`)
      }
      guard.dismiss()
    },
  }
  try {
    turn(freezer.on)
    waitFrozen(freezer, directory, deadline)
    return cgroup
  } catch (error) {
    cgroup[Symbol.dispose]()
    throw error
  }
}

function waitFrozen(freezer: Freezer, directory: string, deadline: Deadline): void {
  while (!freezer.frozen.test(read(join(directory, freezer.report)))) {
    checkDeadline(deadline, `the freeze of ${directory}`, () => ({
      found: "not all tasks in it are frozen",
      next: "Look for tasks of it in uninterruptible sleep (state D), and wait for them",
    }))
    pause(1)
  }
}

const freezerOf = (directory: string): Freezer | undefined => FREEZERS.find(({ file }) => existsSync(join(directory, file)))
const read = (path: string): string => readFileSync(path, "latin1")

/** How a switch stands. What version 1 reports of the state may come from a directory above. */
function switchOf(directory: string, { file, on, off }: Freezer): string {
  const self = join(directory, "freezer.self_freezing")
  if (existsSync(self)) return read(self).trim() === "1" ? on : off
  return read(join(directory, file)).trim()
}

/** Threads of a cgroup and of all below it. */
function tasksWithin(directory: string): Set<number> {
  const list = ["tasks", "cgroup.threads"].map((name) => join(directory, name)).find((path) => existsSync(path))
  const own = list === undefined ? [] : read(list).split("\n").filter(Boolean).map(Number)
  const below = readdirSync(directory).filter((name) => lstatSync(join(directory, name)).isDirectory())
  return new Set([...own, ...below.flatMap((name) => [...tasksWithin(join(directory, name))])])
}

/** Writes `found` into the switch if the tool is killed. */
function startGuard(file: string, found: string): Guard {
  const fd = openSync(file, O.WRONLY)
  try {
    const value = Buffer.from(found)
    return standGuard([{ call: "write", args: [fd, value, value.length] }], [fd])
  } finally {
    closeSync(fd)
  }
}
