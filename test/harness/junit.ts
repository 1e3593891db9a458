/** A test that failed, as Bun's JUnit report has it. */
export interface Failure {
  file: string
  /** Its name without those of the groups around it. */
  name: string
  /** What it threw; empty where the report does not say. */
  text: string
}

const entities: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" }

const plainText = (text: string): string =>
  text.replace(/&(?:#(\d+)|(\w+));/g, (whole, code: string, name: string) =>
    code ? String.fromCodePoint(Number(code)) : (entities[name] ?? whole),
  )

const attribute = (tag: string, name: string): string => plainText(new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1] ?? "")

/** The failed tests of a JUnit report that Bun wrote, in its order. */
export function failures(report: string): Failure[] {
  const cases = report.matchAll(/<testcase ([^>]*[^/])>\s*<failure ([^>]*?)(?:\/>|>([^<]*)<\/failure>)/g)
  return [...cases].map(([, head = "", failure = "", body = ""]) => ({
    file: attribute(head, "file"),
    name: attribute(head, "name"),
    text: plainText(body).trim() || attribute(failure, "message"),
  }))
}

/** The files of tests that Bun itself skipped, by `test.skipIf`, with how many of each. */
export function skippedFiles(report: string): Map<string, number> {
  const cases = [...report.matchAll(/<testcase ([^>]*[^/])>\s*<skipped/g)].map(([, head = ""]) => attribute(head, "file"))
  return new Map([...Map.groupBy(cases, (file) => file)].map(([file, same]) => [file, same.length]))
}

/** A pattern for `bun test -t` that finds these tests of a file. */
export const pattern = (names: readonly string[]): string =>
  `(^| )(${names.map((name) => name.replace(/[.*+?^${}()|[\]\\/-]/g, "\\$&")).join("|")})$`
