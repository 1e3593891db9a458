import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { findHierarchies } from "../../src/kinds/cgroup/hierarchy.ts"
import { readCgroups } from "../../src/proc/cgroup.ts"
import { readMountinfo } from "../../src/proc/mountinfo.ts"
import { waitFor } from "./deadline.ts"
import { dump, stasisTool } from "./tool.ts"
import { isReady, start, type Victim } from "./victim.ts"

/** Mount point of a hierarchy ("" is version 2); undefined where this machine does not have it. */
export function mountOf(controller: string): string | undefined {
  const own = readCgroups(process.pid)
  return findHierarchies(own, readMountinfo(process.pid)).find(({ name }) =>
    controller === "" ? name === "" : name.split(",").includes(controller),
  )?.point
}

const made: string[] = []
let count = 0

/** A new empty cgroup of this test, below the root of a hierarchy; undefined where the hierarchy is missing or not ours to change. */
export function newCgroup(controller: string): string | undefined {
  const point = mountOf(controller)
  if (point === undefined) return undefined
  const directory = join(point, `stasis-test-${process.pid}-${count++}`)
  try {
    mkdirSync(directory)
  } catch {
    return undefined
  }
  made.push(directory)
  return directory
}

/** A directory below a test's cgroup, removed with it. */
export function makeCgroup(...path: [string, ...string[]]): string {
  const directory = join(...path)
  mkdirSync(directory)
  made.push(directory)
  return directory
}

/** Registers a directory that a restore made. */
export const alsoRemove = (directory: string): void => {
  made.push(directory)
}

/** Removes cgroups, deepest first. They are busy until their last task is gone. */
export async function removeCgroups(directories: readonly string[] = made.splice(0)): Promise<void> {
  for (const directory of [...new Set(directories)].sort((a, b) => b.length - a.length))
    await waitFor(`${directory} to be empty`, () => {
      try {
        if (existsSync(directory)) rmdirSync(directory)
        return true
      } catch {
        return false
      }
    })
}

/** Text of a property, without its newline. */
export const property = (directory: string, name: string): string => readFileSync(join(directory, name), "utf8").trim()
export const setProperty = (directory: string, name: string, value: string): void => writeFileSync(join(directory, name), value)

/** As `newCgroup`; victims say what is wrong with a path that does not exist. */
export const cgroup = (controller: string): string => newCgroup(controller) ?? "/nowhere"

/** A victim in cgroups: the process in the first ones, its second thread in the others. */
export async function victimIn(process: readonly string[], thread: readonly string[] = [], child?: readonly string[]): Promise<Victim> {
  const victim = await start("cgroups", { args: [...process, "--", ...thread, ...(child ? ["--", ...child] : [])] })
  if (!isReady(victim)) throw new Error(`${victim.lines().join(" ")}: no victim of cgroups skips`)
  return victim
}

/** Asks a victim and expects it to be well. */
export async function expectWell(victim: Victim): Promise<void> {
  victim.ask()
  const answer = await victim.answer()
  if (answer !== "OK") throw new Error(answer)
}

/** Dumps a victim, which kills it. */
export async function dumped(victim: Victim, ...options: string[]): Promise<void> {
  await dump(stasisTool, victim.pid, victim.images, ...options)
  await victim.gone()
}
