import { dump, restore, type Tool } from "../harness/tool.ts"
import { type Start, start } from "../harness/victim.ts"
import { allGone, treeOf } from "./kin.ts"

/** What a tool kept of the attributes that test/victims/zoo.c set and shows. */
export interface ZooScore {
  /** Attributes that the machine let the victim set. */
  readonly set: number
  /** Lines that were compared. */
  readonly shown: number
  /** "name: before -> after" of every line that changed or went away. */
  readonly lost: readonly string[]
}

/** "name value" lines as a table. */
function tableOf(lines: readonly string[]): Map<string, string> {
  const rows = lines.filter((line) => /^(?:member\d\.)?(?:process|thread\d)\./.test(line))
  return new Map(rows.map((line) => [line.slice(0, line.indexOf(" ")), line.slice(line.indexOf(" ") + 1)]))
}

/** Every line of `before` that `after` does not have as it was. */
export function lostLines(before: readonly string[], after: readonly string[]): string[] {
  const now = tableOf(after)
  return [...tableOf(before)].flatMap(([name, value]) =>
    now.get(name) === value ? [] : [`${name}: ${value} -> ${now.get(name) ?? "gone"}`],
  )
}

/**
 * Takes the zoo through dump, kill and restore.
 *
 * @param options `args`: "+tree" for a tree of three processes
 * @param without attributes that are left as they are, because the tool does not take them
 * @throws Error what the tool said when it would not
 */
export async function scoreZoo(tool: Tool, without: readonly string[] = [], options: Start = {}): Promise<ZooScore> {
  const victim = await start("zoo", { ...options, args: [...(options.args ?? []), ...without.map((name) => `-${name}`)] })
  const lines = victim.lines()
  const ready = lines.indexOf("READY")
  if (ready < 0) throw new Error(`the zoo did not start: ${lines.at(-1)}`)
  const members = treeOf(victim.pid)
  await dump(tool, victim.pid, victim.images)
  await allGone(members)
  await restore(tool, victim.images)
  victim.ask()
  const last = await victim.answer()
  const after = victim.lines().slice(ready + 1)
  return {
    set: lines.filter((line) => line.startsWith("set ")).length,
    shown: tableOf(lines.slice(0, ready)).size,
    lost: [...lostLines(lines.slice(0, ready), after), ...(last === "OK" ? [] : [`the program itself: ${last}`])],
  }
}
