/**
 * The words nearest to a mistyped one, best first: those that begin with it, then those at most a third of its letters away.
 *
 * @returns at most three
 */
export function nearest(word: string, words: readonly string[]): string[] {
  const limit = Math.max(1, Math.floor(word.length / 3))
  return words
    .map((candidate) => ({ candidate, far: word.length > 1 && candidate.startsWith(word) ? 0 : distance(word, candidate) }))
    .filter(({ far }) => far <= limit)
    .sort((a, b) => a.far - b.far || a.candidate.localeCompare(b.candidate))
    .slice(0, 3)
    .map(({ candidate }) => candidate)
}

/** How many letters must be put in, taken out or changed to make one word of the other. */
function distance(from: string, to: string): number {
  let above = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (const [row, letter] of [...from].entries()) {
    const line = [row + 1]
    for (let column = 1; column <= to.length; column++) {
      const changed = (above[column - 1] ?? 0) + (letter === to[column - 1] ? 0 : 1)
      line.push(Math.min(changed, (above[column] ?? 0) + 1, (line[column - 1] ?? 0) + 1))
    }
    above = line
  }
  return above[to.length] ?? 0
}
