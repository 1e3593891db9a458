import type { RestorePlan } from "../flow/restore/plan-restore.ts"
import { describe, format } from "./failure.ts"
import type { Json } from "./show-json.ts"
import { safeText } from "./show-table.ts"
import { sizeWords } from "./show-words.ts"

/** What stands in for what only a new process could tell. */
const STAND_INS = [
  "credentials and limits are those of stasis, which the first process inherits",
  "addresses of the vdso and the stack are those of stasis: the kernel chooses them anew for each process",
  "numbers of descriptors and of short-lived processes are some that are free now",
] as const

/** What follows the last program, by ptrace from outside. */
const AFTERWARDS = [
  "the area of the programs is unmapped, the last call that is made in each process",
  "registers, extended state and signal mask of each thread are set, rseq_cs of no-restart sections is written, interrupted sleeps are armed",
  "those that were stopped stop again; all are detached",
] as const

const count = (number: number, noun: string, many = `${noun}s`): string => `${number} ${number === 1 ? noun : many}`

function treeLine({ tree }: RestorePlan): string[] {
  if (!tree) return []
  const { pid, processes, zombies, threads, memory } = tree
  const dead = zombies > 0 ? `, ${count(zombies, "zombie")}` : ""
  return [
    `Tree of process ${pid}: ${count(processes, "process", "processes")}, ${count(threads, "thread")}${dead}, ${sizeWords(memory)} of memory`,
  ]
}

function programLines({ programs }: RestorePlan, syscalls: boolean): string[] {
  if (!programs) return []
  const calls = programs.stages.flatMap((stage) => stage.programs).reduce((sum, program) => sum + program.calls.length, 0)
  const total = `Programs: ${count(calls, "system call")} in ${count(programs.stages.length, "round")}`
  if (!syscalls) return [`${total} (--syscalls shows them)`]
  const rounds = programs.stages.flatMap(({ title, programs: running }, index) => [
    "",
    `Round ${index + 1}: ${title}`,
    ...running.flatMap(({ pid, tid, calls: lines }) =>
      lines.length === 0
        ? []
        : [`  ${tid === pid ? `process ${pid}` : `thread ${tid} of process ${pid}`}`, ...lines.map((line) => `    ${safeText(line)}`)],
    ),
  ])
  return [
    total,
    "Not known before there is a process, so:",
    ...STAND_INS.map((line) => `  ${line}`),
    ...rounds,
    "",
    "Then:",
    ...AFTERWARDS.map((line) => `  ${line}`),
  ]
}

const waitLines = ({ waits }: RestorePlan): string[] =>
  waits.length > 0 ? ["A restore first waits, up to its --timeout, for", ...waits.map((line) => `  ${safeText(line)}`)] : []

const warningLines = ({ warnings }: RestorePlan): string[] =>
  warnings.length > 0 ? ["A restore would warn:", ...warnings.map((line) => `  ${safeText(line)}`)] : []

function verdictLines({ directory, complaints, options, unchecked }: RestorePlan, given: readonly string[]): string[] {
  if (complaints.length === 0) return [safeText(["A restore would succeed: stasis restore", directory, ...given].join(" "))]
  return [
    `A restore would fail, with ${count(complaints.length, "reason")}:`,
    ...complaints.flatMap((complaint) => safeLines(format(describe(complaint)))),
    ...(options.length > 0 ? [`Needed: ${options.join(" ")}`] : []),
    ...(unchecked.length > 0 ? [`Not looked at because of that: ${unchecked.join(", ")}`] : []),
  ]
}

const safeLines = (text: string): string[] => text.split("\n").map((line) => `  ${safeText(line)}`)

/** The plan of a restore, for people; without a final newline. @param given see `optionsAgain` */
export const restorePlanText = (plan: RestorePlan, syscalls: boolean, given: readonly string[] = []): string =>
  [...treeLine(plan), ...programLines(plan, syscalls), ...waitLines(plan), ...warningLines(plan), ...verdictLines(plan, given)].join("\n")

/** The same for programs. Names are never changed, only added. */
export function restorePlanJson(
  { directory, tree, complaints, status, options, unchecked, waits, warnings, programs }: RestorePlan,
  syscalls: boolean,
): Json {
  return {
    directory,
    possible: complaints.length === 0,
    status,
    tree: tree ? { ...tree } : null,
    complaints: complaints.map((complaint) => {
      const { error } = describe(complaint)
      return { ...error, because: [...error.because] }
    }),
    options: [...options],
    unchecked: [...unchecked],
    waits: [...waits],
    warnings: [...warnings],
    ...(syscalls && programs
      ? {
          standIns: [...STAND_INS],
          rounds: programs.stages.map(({ title, programs: running }) => ({
            title,
            programs: running.map(({ pid, tid, calls }) => ({ pid, tid, calls: [...calls] })),
          })),
        }
      : {}),
  }
}
