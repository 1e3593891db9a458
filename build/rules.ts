/** The rules of the house style that neither the compiler nor the linter knows. Each takes source files and returns complaints. */
import { dirname, join } from "node:path"
import { mayImport } from "./layers.ts"

/** A file of the repository: path from its root, and text. */
export interface Source {
  readonly path: string
  readonly text: string
}

/** Lines a hand-written file may have. */
const LINE_LIMIT = 250

/** Longer than LINE_LIMIT by nature: tables with a row for each thing that exists. Generated files are never measured. */
const TABLES = [
  "ffi/numbers.",
  "ffi/errno.ts",
  "ffi/abi/",
  "src/cli/criu-options.ts",
  "src/cli/option-table.ts",
  "src/image/catalog.ts",
  "test/golden/",
]

/** What is imported, as a path of the repository or a package name. Types count: a layer that knows another's types knows the other. */
export function importsOf({ path, text }: Source): string[] {
  const pattern = /^(?:import|export)\s[^"'`;=()]*?\bfrom\s+"([^"]+)"|^import\s+"([^"]+)"|\bimport\(\s*"([^"]+)"/gm
  const found = [...withoutComments(text).matchAll(pattern)].map((match) => match.slice(1).find(Boolean) ?? "")
  return found.map((name) => (name.startsWith(".") ? join(dirname(path), name) : name))
}

/** Imports that point up the page, sideways, or to a package of another layer. */
export const brokenLayers = (sources: readonly Source[]): string[] =>
  sources.flatMap((source) =>
    importsOf(source)
      .filter((imported) => !mayImport(source.path, imported))
      .map((imported) => `${source.path} must not import ${imported}`),
  )

/** Files that import themselves over others; each cycle once. */
export function cycles(sources: readonly Source[]): string[] {
  const graph = new Map(sources.map((source) => [source.path, importsOf(source)]))
  const done = new Set<string>()
  const found: string[] = []
  const visit = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path)
    if (at >= 0) found.push([...trail.slice(at), path].join(" -> "))
    if (at >= 0 || done.has(path)) return
    for (const next of graph.get(path) ?? []) if (graph.has(next)) visit(next, [...trail, path])
    done.add(path)
  }
  for (const path of graph.keys()) visit(path, [])
  return found
}

/** Files over LINE_LIMIT that are no table. */
export const tooLong = (sources: readonly Source[]): string[] =>
  sources
    .filter(({ path }) => !TABLES.some((table) => path.startsWith(table)))
    .map(({ path, text }) => ({ path, lines: text.split("\n").length - 1 }))
    .filter(({ lines }) => lines > LINE_LIMIT)
    .map(({ path, lines }) => `${path} has ${lines} lines, ${LINE_LIMIT} are allowed`)

/** Columns that a comment may reach; those of code are the formatter's. */
const COLUMN_LIMIT = 140

/** Comments that go on beyond COLUMN_LIMIT in one line. Code that does holds a text that nobody can break. */
export const wideComments = (sources: readonly Source[]): string[] =>
  sources.flatMap(({ path, text }) => {
    const code = withoutComments(text).split("\n")
    const isWide = (line: string, index: number): boolean => {
      const rest = (code[index] ?? "").trimEnd()
      // Behind code with a backtick, what looks like a comment may stand in a text.
      return line.length > COLUMN_LIMIT && rest.length <= COLUMN_LIMIT && (rest === "" || !line.includes("`"))
    }
    return text
      .split("\n")
      .flatMap((line, index) => (isWide(line, index) ? [`${path}:${index + 1} a comment goes beyond column ${COLUMN_LIMIT}`] : []))
  })

/** A word that must not stand in some files. */
interface Ban {
  readonly pattern: RegExp
  readonly why: string
  readonly where: (path: string) => boolean
  /** Look at comments too. */
  readonly comments?: true
}

const inSource = (path: string): boolean => path.startsWith("src/") || path.startsWith("ffi/")
const mayWait = /^src\/(?:main\.ts|cli\/|flow\/)/

const BANS: readonly Ban[] = [
  // Spelled so that this file does not accuse itself.
  { pattern: /\b(?:TO[D]O|FIX[M]E|XX[X]|HAC[K])\b/, why: "unfinished work is marked", where: () => true, comments: true },
  {
    pattern: /\/wor[k]\/(?:main|shared|\.library)|registr[y]\.npmjs/,
    why: "names a path or host of one machine",
    where: () => true,
    comments: true,
  },
  { pattern: /^export default\b/m, why: "default export", where: () => true },
  { pattern: /^export \* from\b/m, why: "barrel", where: () => true },
  {
    pattern: /\bprocess\.exit\(/,
    why: "process.exit belongs in src/main.ts only",
    where: (path) => inSource(path) && path !== "src/main.ts",
  },
  {
    pattern: /\b(?:await|async)\b/,
    why: "below src/flow everything is synchronous",
    where: (path) => inSource(path) && !mayWait.test(path),
  },
]

/** Words of BANS, with the line they stand in. */
export const bannedWords = (sources: readonly Source[]): string[] =>
  sources.flatMap(({ path, text }) =>
    BANS.filter(({ where }) => where(path)).flatMap(({ pattern, why, comments }) => {
      const looked = comments ? text : withoutComments(text).replace(/"(?:[^"\\\n]|\\.)*"/g, '""')
      const at = looked.search(pattern)
      return at < 0 ? [] : [`${path}:${looked.slice(0, at).split("\n").length} ${why}`]
    }),
  )

/** Functions, values, classes and types of ffi and src that are exported although no other file names them, tests included. */
export function unusedExports(sources: readonly Source[]): string[] {
  const files = new Map<string, number>()
  const codes = sources.map(({ path, text }) => ({ path, code: withoutComments(text) }))
  for (const { code } of codes) for (const word of new Set(code.match(/\w+/g))) files.set(word, (files.get(word) ?? 0) + 1)
  return codes
    .filter(({ path }) => inSource(path))
    .flatMap(({ path, code }) =>
      [...code.matchAll(/^export (?:async )?(?:function\*?|const|let|class|interface|type) (\w+)/gm)].flatMap(([, name = ""]) =>
        (files.get(name) ?? 0) > 1 ? [] : [`${path} exports ${name}, which nothing uses`],
      ),
    )
}

/** Names that say nothing: barrels and drawers. */
export const badNames = (sources: readonly Source[]): string[] =>
  sources
    .filter(
      ({ path }) => /(?:^|\/)(?:index|utils?|helpers?|managers?|common|misc)\.ts$/.test(path) || /(?:^|\/)[^/]*[A-Z][^/]*\.ts$/.test(path),
    )
    .map(({ path }) => `${path}: name the file after the one thing it does, in kebab-case`)

/** The text with its comments blanked; line numbers stay. A "//" inside a string is kept. */
function withoutComments(text: string): string {
  const pattern = /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g
  return text.replace(pattern, (found) => (found.startsWith("/") ? found.replace(/[^\n]/g, " ") : found))
}
