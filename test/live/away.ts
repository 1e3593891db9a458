import { readlinkSync } from "node:fs"
import { inside } from "../harness/folders.ts"
import { dump, restore, stasisTool, type Tool } from "../harness/tool.ts"
import type { Victim } from "../harness/victim.ts"
import { allGone, treeOf } from "./kin.ts"

/** How long a program is away between dump and restore: longer than a step of its clocks may be, ms. */
export const AWAY = 5500

/** The time namespace of a process. */
export const timeOf = (pid: number): string => readlinkSync(`/proc/${pid}/ns/time`)

/** Dumps a program into a new folder, and restores it a while later. @returns what the restore said */
export async function goAway({ pid, images }: Victim, name: string, dumper: Tool, restorer: Tool): Promise<string> {
  const members = treeOf(pid)
  const folder = inside(images, name)
  await dump(dumper, pid, folder)
  await allGone(members)
  await Bun.sleep(AWAY)
  const { stderr } = await restore(restorer, folder, ...(dumper === stasisTool && restorer === stasisTool ? ["--verify"] : []))
  return stderr
}
