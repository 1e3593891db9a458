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

/**
 * Begins something with each of several, and then waits for all of them: what fails in one keeps no other from its end.
 *
 * @param begin what it returns waits for the end
 * @returns what all came to, in order   @throws the first failure
 */
export function allAtOnce<T, R>(items: Iterable<T>, begin: (item: T) => () => R): R[] {
  const waits: (() => R)[] = []
  const ends: R[] = []
  const failures = failuresOf(items, (item) => void waits.push(begin(item)))
  failures.push(...failuresOf(waits, (wait) => void ends.push(wait())))
  if (failures.length > 0) throw failures[0]
  return ends
}
