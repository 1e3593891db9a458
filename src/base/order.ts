/**
 * Groups equal items where all that is known of them is their order: n log n questions, not n².
 *
 * @param compare 0 = equal, 1 = the first comes before the second, anything else = after it; see kcmp(2)
 * @returns groups in that order, each in the order of `items`
 */
export function groupByOrder<T>(items: readonly T[], compare: (a: T, b: T) => number): [T, ...T[]][] {
  const sorted: [T, ...T[]][] = []
  for (const item of items) {
    const { equal, place } = findInOrder(sorted, (group) => compare(item, group[0]))
    if (equal) equal.push(item)
    else sorted.splice(place, 0, [item])
  }
  return sorted
}

/**
 * Looks for an item among sorted ones.
 *
 * @param compare how the item that is looked for stands to one of them, as `groupByOrder`'s
 * @returns the equal one, or the place where it would stand
 */
export function findInOrder<T>(sorted: readonly T[], compare: (one: T) => number): { equal?: T; place: number } {
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const middle = (low + high) >> 1
    const one = sorted[middle]!
    const order = compare(one)
    if (order === 0) return { equal: one, place: middle }
    if (order === 1) high = middle
    else low = middle + 1
  }
  return { place: low }
}

/** Sorts in place by ascending numbers what is in order already most of the time: it is only looked through then. */
export function sortByNumber<T>(items: T[], numberOf: (item: T) => number): void {
  let last = Number.NEGATIVE_INFINITY
  for (const item of items) {
    const number = numberOf(item)
    if (number < last) {
      items.sort((a, b) => numberOf(a) - numberOf(b))
      return
    }
    last = number
  }
}
