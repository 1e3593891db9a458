/** How much later than usual JavaScriptCore compiles: for a small tree, which is done before compiled code pays, see build/compile.ts. */
const FOR_MUCH = 5
/** What makes a tree a large one, measured: from here on compiled code pays. */
const MANY = { processes: 32, threads: 200, descriptors: 500 } as const

let muchToDo = false

/**
 * Says how much there is to do, as soon as that is known, so that much of it is compiled sooner: a tenth of the time of a hundred
 * processes. Only ever sooner.
 */
export function expectWork(counts: Partial<Record<keyof typeof MANY, number>>): void {
  const { processes = 0, threads = 0, descriptors = 0 } = counts
  if (processes < MANY.processes && threads < MANY.threads && descriptors < MANY.descriptors) return
  muchToDo = true
  Bun.unsafe.setJITPolicy(FOR_MUCH)
}

/** Collects garbage, of which much work makes so much that it would be collected next while the tree stands still. */
export function tidyUp(): void {
  if (muchToDo) Bun.gc(true)
}
