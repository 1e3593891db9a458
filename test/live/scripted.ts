/** What tests of action scripts, and of what comes after them, have in common. */
import { expect } from "bun:test"
import { chmodSync, existsSync, readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { statusOf } from "../harness/process.ts"
import { dump, type Run, run, stasisTool } from "../harness/tool.ts"
import { start, type Victim } from "../harness/victim.ts"

export const tool = (...args: string[]): Promise<Run> => run([...stasisTool.command, ...args])

/** Nobody traces it, and it says that all is well. */
export async function expectWell(victim: Victim): Promise<void> {
  expect(statusOf(victim.pid, "TracerPid")).toBe("0")
  victim.ask()
  expect(await victim.answer()).toBe("OK")
}

/** A script of this victim that does something at one hook. @returns its path */
export function scriptAt(victim: Victim, hook: string, body: string): string {
  const path = join(victim.folder, "script")
  writeFileSync(path, `#!/bin/sh\n[ "$CRTOOLS_SCRIPT_ACTION" = ${hook} ] || exit 0\n${body}\n`)
  chmodSync(path, 0o755)
  return path
}

/** Dumped and gone. */
export async function dumped(): Promise<Victim> {
  const victim = await start("threads")
  await dump(stasisTool, victim.pid, victim.images)
  await victim.gone()
  return victim
}

export const imagesIn = (folder: string): string[] =>
  existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(".img")) : []
