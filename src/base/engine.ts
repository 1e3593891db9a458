import { fullGC } from "bun:jsc"

/** How much later than usual JavaScriptCore compiles: for a small tree, which is done before compiled code pays, see build/compile.ts. */
const FOR_MUCH = 5
/** What makes a tree a large one, measured: from here on compiled code pays. */
const MANY = { processes: 12, threads: 48, descriptors: 250 } as const

/** How much later for a tree that is next to nothing: nothing of it is compiled, which would begin with a thread that is made for it. */
const FOR_LITTLE = 400
/** What makes a tree such a one: with more of either some code pays. */
const FEW = { processes: 3, threads: 15 } as const

let muchToDo = false

/**
 * Says how much there is to do, as soon as that is known: much of it is compiled sooner, a tenth of the time of a hundred processes; of
 * little nothing is. What is called much stays so.
 */
export function expectWork(counts: Partial<Record<keyof typeof MANY, number>>): void {
  const { processes = 0, threads = 0, descriptors = 0 } = counts
  if (!muchToDo && counts.threads !== undefined && processes <= FEW.processes && threads <= FEW.threads) Bun.unsafe.setJITPolicy(FOR_LITTLE)
  if (processes < MANY.processes && threads < MANY.threads && descriptors < MANY.descriptors) return
  muchToDo = true
  Bun.unsafe.setJITPolicy(FOR_MUCH)
}

/**
 * Collects garbage, of which much work makes so much that it would be collected next while the tree stands still.
 *
 * Not by Bun.gc, which gives free memory back to the kernel as well: the next touch costs more than it held.
 */
export function tidyUp(): void {
  if (muchToDo) fullGC()
}
