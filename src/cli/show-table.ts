/**
 * Text of images that is safe on a terminal: a file or a thread may have any name, so control characters, and bytes that are not UTF-8,
 * become \xNN.
 */
export const safeText = (text: string): string =>
  text.replace(/[\p{Cc}\p{Cs}]/gu, (character) => `\\x${(character.charCodeAt(0) & 0xff).toString(16).padStart(2, "0")}`)

/** A table: its head, then rows, columns as wide as their longest cell; the last column is not padded. */
export function tableLines(head: readonly string[], rows: readonly (readonly string[])[], indent = "  "): string[] {
  const safe = rows.map((row) => row.map(safeText))
  const widths = head.map((title, column) => Math.max(title.length, ...safe.map((row) => row[column]?.length ?? 0)))
  const line = (cells: readonly string[]): string =>
    (indent + cells.map((cell, column) => (column === cells.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))).join("  ")).trimEnd()
  return [line(head), ...safe.map(line)]
}
