/**
 * Runs a step for each of several, also behind one that failed: what is cleaned up must not depend on what was cleaned up before.
 *
 * @returns what was thrown, in order
 */
export function failuresOf<T>(items: Iterable<T>, step: (item: T) => void): unknown[] {
  const failures: unknown[] = []
  for (const item of items)
    try {
      step(item)
    } catch (error) {
      failures.push(error)
    }
  return failures
}

/**
 * The same, and throws the first failure when all have run.
 *
 * @param told gets the others
 */
export function runAll<T>(items: Iterable<T>, step: (item: T) => void, told: (failure: unknown) => void): void {
  const failures = failuresOf(items, step)
  for (const failure of failures.slice(1)) told(failure)
  if (failures.length > 0) throw failures[0]
}
