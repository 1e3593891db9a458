import type { Newborn } from "./newborns.ts"
import type { Act, TaskId } from "./plan.ts"

/** Rounds under construction, see Round in ./plan.ts. */
export type Rounds = Map<TaskId, Act[]>[]

/** Appends an act to what a task does in a round. */
export function enact(rounds: Rounds, round: number, task: TaskId, act: Act): void {
  while (rounds.length <= round) rounds.push(new Map())
  const acts = rounds[round]?.get(task)
  if (acts) acts.push(act)
  else rounds[round]?.set(task, [act])
}

/**
 * Appends the ends of all helpers that are done when all are born. The final parent of a helper's children is made a subreaper for the
 * round in which the helper exits, and nobody between the two is one then. A helper is waited for by the task that cloned it.
 * Authority: kernel/exit.c find_new_reaper()
 */
export function appendAdoptions(rounds: Rounds, passing: readonly Newborn[]): void {
  const batches = batchExits(passing)
  const adopters = batches.map((batch) => new Set(batch.flatMap(({ adopter }) => adopter ?? [])))
  batches.forEach((batch, index) => {
    const last = rounds.length - 1
    for (const adopter of adopters[index] ?? [])
      if (!adopters[index - 1]?.has(adopter)) enact(rounds, last, adopter, { act: "subreaper", on: true })
    for (const { task } of batch) enact(rounds, last + 1, task, { act: "exit" })
    for (const { task, from } of batch) if (from) enact(rounds, last + 2, from.task, { act: "reap", child: task })
    for (const adopter of adopters[index] ?? [])
      if (!adopters[index + 1]?.has(adopter)) enact(rounds, last + 2, adopter, { act: "subreaper", on: false })
  })
}

/** Helpers that exit at the same time, with the subreapers of that time and all who must not be one. */
interface Batch {
  readonly helpers: Newborn[]
  readonly adopters: Set<TaskId>
  readonly passed: Set<TaskId>
}

/**
 * Orders the exits. Those below go first, because the end of a helper above could move them, and their final parent would be an ancestor no
 * longer. Apart from that all go at once, unless a subreaper of one would stand in the way of another.
 */
function batchExits(helpers: readonly Newborn[]): Newborn[][] {
  const batches: Batch[] = []
  const earliest = new Map<TaskId, number>()
  for (const helper of [...helpers].sort((one, other) => other.round - one.round)) {
    const { adopter } = helper
    const passed: TaskId[] = []
    if (adopter !== undefined) for (let at = helper.from; at && at.task !== adopter; at = at.from) passed.push(at.task)
    let index = earliest.get(helper.task) ?? 0
    const inTheWay = ({ adopters, passed: others }: Batch): boolean =>
      passed.some((task) => adopters.has(task)) || (adopter !== undefined && others.has(adopter))
    for (let batch = batches[index]; batch && inTheWay(batch); batch = batches[index]) index++
    const batch = batches[index] ?? { helpers: [], adopters: new Set(), passed: new Set() }
    batches[index] = batch
    batch.helpers.push(helper)
    if (adopter !== undefined) batch.adopters.add(adopter)
    for (const task of passed) batch.passed.add(task)
    for (let at = helper.from; at; at = at.from) if (at.helper) earliest.set(at.task, Math.max(earliest.get(at.task) ?? 0, index + 1))
  }
  return batches.map((batch) => batch.helpers)
}
