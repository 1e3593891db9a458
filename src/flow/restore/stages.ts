import { madeLater } from "../../kinds/files/living.ts"
import { inheritLater, makeLater } from "../../kinds/files/restore-shared.ts"
import type { Program } from "../../tracee/program.ts"
import type { Job } from "../../tracee/stub-area.ts"
import type { SavedProcess, SavedThread } from "../images.ts"
import { buildDeaths, buildRoot, buildRound } from "./birth.ts"
import { buildEnd, buildProcess, buildThread, selfOf } from "./build.ts"
import type { BuildInputs } from "./build-inputs.ts"
import { appendMemory } from "./build-memory.ts"
import { buildCreds } from "./credentials.ts"
import { filterJobs } from "./filter-jobs.ts"
import { buildQueues } from "./queues.ts"
import type { ProcessPlan } from "./restore-context.ts"
import { planStops } from "./stops.ts"

/** A program that is still to be built: building may refuse what the images want. */
export interface Draft extends Omit<Job, "program"> {
  /** @throws CheckpointError */
  build(): Program
}

/** Programs that run at the same time; the next stage begins when all have ended. */
export interface Stage {
  /** What they are for. */
  readonly title: string
  readonly drafts: readonly Draft[]
  /** PIDs that they bring to life. */
  readonly born: readonly number[]
}

/** The stages of a restore, in their order. */
export interface Stages {
  readonly root: Stage
  readonly births: readonly Stage[]
  readonly deaths: Stage
  /** What the threads of a process share, and the threads. One for all, unless processes share descriptors or directories: `takeTurns`. */
  readonly processes: readonly Stage[]
  /** What is each thread's own. */
  readonly threads: Stage
  readonly queues: Stage
  readonly filters: readonly Stage[]
  readonly creds: Stage
  readonly end: Stage
  /** What those do that stop: run at the very end. */
  readonly stops: ReturnType<typeof planStops>
}

const built = ({ program, ...job }: Job): Draft => ({ ...job, build: () => program })

/** All stages in one list. */
export const inOrder = ({ root, births, deaths, processes, threads, queues, filters, creds, end, stops }: Stages): Stage[] => [
  root,
  ...births,
  deaths,
  ...processes,
  threads,
  queues,
  ...filters,
  creds,
  end,
  ...stops.levels.map(({ jobs }) => ({ title: "stops, as before", drafts: jobs.map(built), born: [] })),
]

/** Builds the programs of a stage. @throws CheckpointError */
export const realise = ({ drafts }: Stage): Job[] => drafts.map(({ build, ...job }) => ({ ...job, program: build() }))

/** What a process is made from. */
export const processPlanOf = ({ processPlans }: Pick<BuildInputs, "processPlans">, { tree }: SavedProcess): ProcessPlan => {
  const processPlan = processPlans.get(tree.pid)
  if (!processPlan) throw new Error(`Unreachable: process ${tree.pid} has no plan`)
  return processPlan
}

/**
 * Processes that do not run at the same time, turn by turn: what one has open for a moment stands at a number of its descriptor table,
 * where another one of the same table may put a file; the directory of one, while it makes a socket, is that of all who share theirs. Who
 * makes what is shared comes after those that he shares it with: his root directory and umask would be theirs before their files are open.
 * One turn, where nothing is shared.
 *
 * @param sharesWith the process of these that one has its descriptors or directories from
 */
export function takeTurns<T>(processes: readonly T[], sharesWith: (one: T) => T | undefined): T[][] {
  const lineOf = (one: T): T[] => {
    const maker = sharesWith(one)
    return maker === undefined ? [one] : [...lineOf(maker), one]
  }
  const lines = processes.map(lineOf).sort((a, b) => b.length - a.length)
  const taken = new Map<T | undefined, number>()
  const turns = Map.groupBy(lines, ([first]) => {
    const turn = taken.get(first) ?? 0
    taken.set(first, turn + 1)
    return turn
  })
  return [...turns.values()].map((turn) => turn.flatMap((line) => line.slice(-1)))
}

/** Lays out the whole restore as programs to be built; those of births are built at once. Runs nothing. @throws CheckpointError */
export function layStages(inputs: BuildInputs): Stages {
  const { saved, context, births, sharedPages, hole } = inputs
  const { pid } = saved.root.tree
  const stage = (title: string, drafts: readonly Draft[], born: readonly number[] = []): Stage => ({ title, drafts, born })
  const perProcess = (title: string, make: (one: SavedProcess) => Program, processes = saved.processes): Stage =>
    stage(
      title,
      processes.map((one) => ({ pid: one.tree.pid, tid: one.tree.pid, build: () => make(one) })),
    )
  const perThread = (title: string, make: (one: SavedProcess, thread: SavedThread) => Program): Stage =>
    stage(
      title,
      saved.processes.flatMap((one) =>
        one.threads.map((thread) => ({ pid: one.tree.pid, tid: thread.tid, build: () => make(one, thread) })),
      ),
    )
  const early = new Map(saved.processes.filter((one) => processPlanOf(inputs, one).early).map((one) => [one.tree.pid, one]))
  const byPid = new Map(saved.processes.map((one) => [one.tree.pid, one]))
  const turns = takeTurns(saved.processes, (one) => {
    const { files, directories } = processPlanOf(inputs, one).makes
    return files && directories ? undefined : byPid.get(one.tree.ppid)
  })
  const { files } = saved.root
  const others = saved.processes.filter((one) => one !== saved.root && processPlanOf(inputs, one).makes.files)
  const leading =
    madeLater(context, files, pid).length > 0
      ? [
          perProcess("what leads to processes, shared", () => makeLater(files, context, context, selfOf(pid, context.origin)), [
            saved.root,
          ]),
          perProcess("what leads to processes, for the others", () => inheritLater(files, context, pid), others),
        ]
      : []
  const stops = planStops(saved, (one) => processPlanOf(inputs, one).makes.handlers)
  return {
    stops,
    root: stage("what all processes inherit", [{ pid, tid: pid, build: () => buildRoot(saved, context, sharedPages, hole) }]),
    births: [...births.plan.rounds, ...births.plan.groups].map((round, index) => {
      const { jobs, born } = buildRound(round, births, (task, program) => {
        const one = early.get(task)
        if (one) appendMemory(one, processPlanOf(inputs, one), context, program)
        early.delete(task)
      })
      return stage(`births, sessions and groups, round ${index + 1}`, jobs.map(built), born.map(births.pidOf))
    }),
    deaths: stage("the end of zombies", buildDeaths(saved).map(built)),
    processes: [
      ...leading,
      ...turns.map((turn, index) =>
        perProcess(
          `memory, files, threads${index > 0 ? `, turn ${index + 1}` : ""}`,
          (one) => buildProcess(one, processPlanOf(inputs, one), context),
          turn,
        ),
      ),
    ],
    threads: perThread("what is each thread's own, rseq last", (one, thread) => buildThread(one, thread, context)),
    queues: perThread("timers, attributes, queued signals", (one, thread) =>
      buildQueues(one, thread, processPlanOf(inputs, one), context, stops.parents.has(one)),
    ),
    filters: filterJobs(saved).map((jobs) => stage("seccomp", jobs.map(built))),
    creds: perThread("limits and credentials", (one, thread) => buildCreds(one, thread, context)),
    end: perProcess("clocks start, nothing of ours stays open", (one) => buildEnd(one, saved.memfds, processPlanOf(inputs, one), context)),
  }
}
