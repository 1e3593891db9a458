/** Middle value; the mean of the middle two for an even count. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const half = sorted.length >> 1
  return sorted.length % 2 ? (sorted[half] ?? 0) : ((sorted[half - 1] ?? 0) + (sorted[half] ?? 0)) / 2
}

const digits = (value: number): string => value.toFixed(value < 100 ? 1 : 0)

/** "12.3 (11.8-14.0)": median, smallest and largest. */
export const spread = (values: readonly number[]): string =>
  `${digits(median(values))} (${digits(Math.min(...values))}-${digits(Math.max(...values))})`

/** Median of the first through median of the second; below 1 the first is better. */
export const ratio = (ours: readonly number[], theirs: readonly number[]): string => (median(ours) / median(theirs)).toFixed(2)

/** A markdown table with aligned columns. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((word, column) => Math.max(word.length, ...rows.map((row) => row[column]?.length ?? 0)))
  const line = (cells: readonly string[]) => `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n")
}
