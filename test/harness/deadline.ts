/** Seconds that a step of a test may take before it counts as hung; a loaded two-core machine needs far less. */
export const DEADLINE_SECONDS = 20

/**
 * Waits until `condition` gives something, looking every 10 ms.
 *
 * @param what completes "Waited N s for ..." in the error
 * @throws Error after `seconds`
 */
export async function waitFor<T>(what: string, condition: () => T | undefined | false, seconds = DEADLINE_SECONDS): Promise<T> {
  const end = performance.now() + seconds * 1000
  for (;;) {
    const found = condition()
    if (found !== undefined && found !== false) return found
    if (performance.now() > end) throw new Error(`Waited ${seconds} s for ${what}`)
    await Bun.sleep(10)
  }
}
