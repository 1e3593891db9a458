/**
 * Groups equal items where all that is known of them is their order: n log n questions, not n².
 *
 * @param compare 0 = equal, 1 = the first comes before the second, anything else = after it; see kcmp(2)
 * @returns groups in that order, each in the order of `items`
 */
export function groupByOrder<T>(items: readonly T[], compare: (a: T, b: T) => number): [T, ...T[]][] {
  const sorted: [T, ...T[]][] = []
  for (const item of items) {
    let [low, high] = [0, sorted.length]
    let equal: T[] | undefined
    while (low < high && !equal) {
      const middle = (low + high) >> 1
      const group = sorted[middle]!
      const order = compare(item, group[0])
      if (order === 0) equal = group
      else if (order === 1) high = middle
      else low = middle + 1
    }
    if (equal) equal.push(item)
    else sorted.splice(low, 0, [item])
  }
  return sorted
}
