/** A table: its head, then rows, columns as wide as their longest cell; the last column is not padded. */
export function tableLines(head: readonly string[], rows: readonly (readonly string[])[], indent = "  "): string[] {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)))
  const line = (cells: readonly string[]): string =>
    (indent + cells.map((cell, column) => (column === cells.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))).join("  ")).trimEnd()
  return [line(head), ...rows.map(line)]
}
