import type { Refusal } from "../base/errors.ts"
import type { DumpPlan, PlannedProcess } from "../flow/dump/plan-dump.ts"
import type { Json } from "./show-json.ts"
import { safeText, tableLines } from "./show-table.ts"
import { sizeWords } from "./show-words.ts"

const STATES: Readonly<Record<string, string>> = {
  R: "running",
  S: "sleeping",
  D: "waiting",
  I: "idle",
  T: "stopped",
  t: "traced",
  Z: "zombie",
  X: "dead",
}

/** Kinds of open files, by CRIU's names, for people. Others are printed as they are called. */
const KINDS: Readonly<Record<string, string>> = {
  REG: "file or directory",
  PIPE: "pipe end",
  EVENTFD: "event counter",
  EVENTPOLL: "epoll",
  INOTIFY: "inotify",
  FANOTIFY: "fanotify",
  TTY: "terminal",
}

const HEAD = ["pid", "name", "state", "threads", "session", "group", "areas", "mapped", "stored", "descriptors"] as const

/** Names of threads, equal ones counted: "worker x 63, main". */
function threadNames({ threads }: PlannedProcess): string {
  const counts = new Map<string, number>()
  for (const { name } of threads) counts.set(name, (counts.get(name) ?? 0) + 1)
  return [...counts].map(([name, count]) => (count > 1 ? `${safeText(name)} x ${count}` : safeText(name))).join(", ")
}

function treeLines({ processes }: DumpPlan): string[] {
  const depths = new Map<number, number>()
  const rows = processes.map((process) => {
    const { pid, ppid, name, state, threads, session, group, memory, descriptors } = process
    const depth = ppid === 0 ? 0 : (depths.get(ppid) ?? 0) + 1
    depths.set(pid, depth)
    const sizes = [memory.mapped, memory.stored].map(sizeWords)
    const counts = [threads.length, session, group, memory.areas].map(String)
    return [`${"  ".repeat(depth)}${pid}`, name, STATES[state] ?? state, ...counts, ...sizes, String(descriptors)]
  })
  const named = processes.filter(({ threads }) => threads.length > 1)
  return [...tableLines(HEAD, rows, ""), ...named.map((process) => `Threads of ${process.pid}: ${threadNames(process)}`)]
}

const refusalLines = (refusals: readonly Refusal[]): string[] =>
  refusals.flatMap(({ where, what, remedy }) => [`  ${safeText(`${where}: ${what}`)}`, `           next    ${safeText(remedy)}`])

/** What stands against the dump, and what helps. */
function verdictLines({ refusals, refusedAnyway, options }: DumpPlan, asked: number, given: readonly string[]): string[] {
  if (refusals.length === 0) return [safeText(["A dump would succeed: stasis dump", asked, ...given].join(" "))]
  const objects = refusals.length === 1 ? "1 object" : `${refusals.length} objects`
  const left = refusedAnyway.length === 0 ? "nothing is refused" : `${refusedAnyway.length} of them are left`
  return [
    `A dump would be refused for ${objects}:`,
    ...refusalLines(refusals),
    ...(options.length > 0 ? [`Needed: ${options.join(" ")}; with it ${left}`] : []),
  ]
}

const milliseconds = (microseconds: number): string => {
  const value = microseconds / 1000
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`
}

/** What leads out of the tree, in the words of --inherit-fd. */
function outsideLines({ outside }: DumpPlan): string[] {
  const lines = outside.map(({ resource, where, holder, needed }) => {
    const other = holder === undefined ? "" : ` (task ${holder} has it too)`
    return `  ${where}${other}: a restore ${needed ? "needs" : "may be given"} --inherit-fd 'fd[N]:${safeText(resource)}'`
  })
  return lines.length > 0 ? ["Leads out of the tree:", ...lines] : []
}

/**
 * The plan of a dump, for people; without a final newline.
 *
 * @param asked the PID that was asked for: another one for a process in a container   @param given see `optionsAgain`
 */
export function dumpPlanText(plan: DumpPlan, asked = plan.pid, given: readonly string[] = []): string {
  const { files, segments, unseen, prediction } = plan
  const kinds = [...files].map(([kind, count]) => `${KINDS[kind] ?? kind}${count > 1 ? ` x ${count}` : ""}`)
  const shared = segments.map(({ name, size, stored }) => `${safeText(name)} ${sizeWords(size)} (${sizeWords(stored)} stored)`)
  return [
    ...treeLines(plan),
    `Open files: ${kinds.length > 0 ? kinds.join(", ") : "none"}`,
    ...(shared.length > 0 ? [`Shared memory: ${shared.join(", ")}`] : []),
    ...outsideLines(plan),
    ...(plan.notes.length > 0 ? ["A dump would warn:", ...plan.notes.map((note) => `  ${safeText(note)}`)] : []),
    "Not seen without a stop:",
    ...unseen.map((line) => `  ${line}`),
    `Estimate: images of ${sizeWords(prediction.imageBytes)}, frozen for ${milliseconds(prediction.frozenMicroseconds)} (a quiet machine; a busy one takes several times longer)`,
    ...verdictLines(plan, asked, given),
  ].join("\n")
}

/** The same for programs. Sizes in bytes, times in microseconds. Names are never changed, only added. */
export function dumpPlanJson({ files, prediction, refusals, processes, segments, refusedAnyway, outside, notes, ...plan }: DumpPlan): Json {
  return {
    pid: plan.pid,
    possible: refusals.length === 0,
    refusals: refusals.map((refusal) => ({ ...refusal })),
    options: [...plan.options],
    refusedAnyway: refusedAnyway.map((refusal) => ({ ...refusal })),
    processes: processes.map(({ threads, memory, ...process }) => ({
      ...process,
      threads: threads.map((thread) => ({ ...thread })),
      memory: { ...memory },
    })),
    files: Object.fromEntries(files),
    segments: segments.map((segment) => ({ ...segment })),
    outside: outside.map(({ resource, where, holder, needed }) => ({ resource, where, holder: holder ?? null, needed })),
    notes: [...notes],
    unseen: [...plan.unseen],
    estimate: { ...prediction },
  }
}
