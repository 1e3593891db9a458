import { expect } from "bun:test"
import { existsSync, readdirSync } from "node:fs"
import { takeHugePages } from "../harness/hugepages.ts"
import { alive } from "../harness/process.ts"
import { skip } from "../harness/skip.ts"
import { dump, restore, stasisTool, type Tool } from "../harness/tool.ts"
import { isReady, start, type Victim } from "../harness/victim.ts"
import { allGone, treeOf } from "./kin.ts"
import type { Row } from "./row.ts"

/** Starts a row's victim. Undefined, with a line that says why, when this machine lacks what it needs. */
export async function startRow(row: Row): Promise<Victim | undefined> {
  const victim = await start(row.source, row)
  return isReady(victim) ? victim : undefined
}

/** Pages for a row that needs huge ones; undefined, with a line that says why, when there are none. */
async function pagesFor({ hugePages }: Row): Promise<AsyncDisposable | undefined> {
  return hugePages ? takeHugePages(hugePages) : { [Symbol.asyncDispose]: () => Promise.resolve() }
}

/** Asks a victim and expects it to be well. */
export async function expectWell(victim: Victim, row: Row): Promise<void> {
  if (!row.unasked) victim.ask()
  const answer = await victim.answer()
  if (answer.startsWith("SKIP")) skip(`${row.title}: ${answer}`)
  else expect(answer).toBe("OK")
}

/** Dump with one tool (which kills the victim), restore with another or the same, ask. The PID stays the same. */
export async function dumpAndRestore(row: Row, dumper: Tool, restorer: Tool): Promise<void> {
  await using pages = await pagesFor(row)
  const victim = pages && (await startRow(row))
  if (!victim) return
  const members = treeOf(victim.pid)
  await dump(dumper, victim.pid, victim.images, ...(row.options ?? []))
  // We wait for PIDs ourselves, others do not: what was killed keeps its PID until it has been reaped.
  if (restorer === stasisTool) await victim.gone()
  else await allGone(members)
  expect(readdirSync(victim.images)).toContain("inventory.img")
  const lines = victim.lines()
  const verified = restorer === stasisTool && (dumper === stasisTool || row.criuSays === undefined)
  await restore(restorer, victim.images, ...(verified ? ["--verify"] : []), ...(restorer === stasisTool ? [] : (row.options ?? [])))
  expect(victim.lines().slice(0, lines.length)).toEqual(lines)
  expect(existsSync(`/proc/${victim.pid}`)).toBe(true)
  await expectWell(victim, row)
}

/** Dump with --leave-running, then ask the original. */
export async function dumpAndLeave(row: Row, tool: Tool): Promise<void> {
  await using pages = await pagesFor(row)
  const victim = pages && (await startRow(row))
  if (!victim) return
  await dump(tool, victim.pid, victim.images, "--leave-running", ...(row.options ?? []), ...(tool === stasisTool ? ["--verify"] : []))
  // What asks itself may be done by now, and says below how it went.
  if (!row.unasked) expect(alive(victim.pid)).toBe(true)
  expect(readdirSync(victim.images)).toContain("inventory.img")
  await expectWell(victim, row)
}
