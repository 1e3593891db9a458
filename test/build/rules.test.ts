import { describe, expect, test } from "bun:test"
import { mayImport } from "../../build/layers.ts"
import { badNames, bannedWords, brokenLayers, cycles, importsOf, tooLong, unusedExports, wideComments } from "../../build/rules.ts"

const source = (path: string, ...lines: string[]) => ({ path, text: `${lines.join("\n")}\n` })

test("importsOf sees types, lazy imports and long lists, not comments, strings or calls", () => {
  const text = [
    'import { a } from "./a.ts"',
    'import type { B } from "../b.ts"',
    "import {",
    "  c,",
    '} from "node:fs"',
    'export { d } from "./d.ts"',
    'const e = await import("./e.ts")',
    '// import { f } from "./f.ts"',
    '/* import("./g.ts") */',
    'const h = Buffer.from("0f05", "hex")',
    'const i = `text from "elsewhere"`',
  ]
  expect(importsOf(source("src/cli/x.ts", ...text))).toEqual(["src/cli/a.ts", "src/b.ts", "node:fs", "src/cli/d.ts", "src/cli/e.ts"])
})

test.each([
  ["src/cli/dump.ts", "src/flow/dump/dump.ts", true],
  ["src/flow/dump/dump.ts", "src/cli/dump.ts", false],
  ["src/flow/dump/save.ts", "src/flow/restore/ids.ts", false],
  ["src/flow/restore/restore.ts", "src/flow/dump/save.ts", false],
  ["src/flow/restore/restore.ts", "src/flow/verify/verify.ts", true],
  ["src/flow/dump/save.ts", "src/flow/images.ts", true],
  ["src/flow/images.ts", "src/flow/dump/state.ts", true],
  ["src/flow/dump/save.ts", "src/kinds/registers/collect.x86_64.ts", true],
  ["src/base/log.ts", "src/flow/options.ts", false],
  ["src/tracee/seize.ts", "ffi/syscall.ts", true],
  ["src/tracee/seize.ts", "bun:ffi", false],
  ["ffi/kernel.ts", "bun:ffi", true],
  ["ffi/syscall.ts", "bun:ffi", false],
  ["ffi/abi/rseq.ts", "ffi/layout.ts", true],
  ["ffi/abi/rseq.ts", "ffi/kernel.ts", false],
  ["src/kinds/files/registry.ts", "src/kinds/files/pipe/collect.ts", true],
  ["src/kinds/files/pipe/collect.ts", "src/kinds/files/group-shared.ts", true],
  ["src/kinds/files/pipe/collect.ts", "src/kinds/files/eventfd/collect.ts", false],
  ["src/kinds/files/pipe/collect.ts", "src/kinds/kind.ts", true],
  ["src/kinds/timers/collect.ts", "src/kinds/signals/collect.ts", false],
  ["src/elf/symbols.ts", "src/base/units.ts", true],
  ["src/main.ts", "build/compile.ts", false],
  ["test/live/dump.test.ts", "bun:ffi", true],
])("mayImport: %s -> %s is %p", (file, imported, expected) => {
  expect(mayImport(file, imported)).toBe(expected)
})

test("brokenLayers names both ends, and a file in no room is an error", () => {
  expect(brokenLayers([source("src/base/a.ts", 'import { x } from "../cli/x.ts"')])).toEqual(["src/base/a.ts must not import src/cli/x.ts"])
  expect(() => brokenLayers([source("src/attic/a.ts", 'import { x } from "node:fs"')])).toThrow('"src/attic/a.ts" is in no folder')
})

test("cycles tells the way round", () => {
  const a = source("src/base/a.ts", 'import { b } from "./b.ts"')
  const b = source("src/base/b.ts", 'import { c } from "./c.ts"')
  expect(cycles([a, b, source("src/base/c.ts")])).toEqual([])
  expect(cycles([a, b, source("src/base/c.ts", 'import { a } from "./a.ts"')])).toEqual([
    "src/base/a.ts -> src/base/b.ts -> src/base/c.ts -> src/base/a.ts",
  ])
})

test("tooLong allows 250 lines, and tables any number", () => {
  const lines = (count: number): string[] => Array<string>(count).fill("x")
  expect(tooLong([source("src/a.ts", ...lines(250))])).toEqual([])
  expect(tooLong([source("src/a.ts", ...lines(251))])).toEqual(["src/a.ts has 251 lines, 250 are allowed"])
  expect(tooLong([source("src/cli/criu-options.ts", ...lines(999))])).toEqual([])
})

test("wideComments allows a comment 140 columns, and code any number", () => {
  const wide = (before: string, behind = ""): string => before.padEnd(141 - behind.length, "x") + behind
  const lines = [
    `// ${"x".repeat(137)}`,
    wide("// "),
    wide("/** ", " */"),
    `const a = "${wide("// ")}"`,
    "/**",
    wide(" * see `a`, "),
    " */",
    wide("b() // "),
  ]
  expect(wideComments([source("src/a.ts", ...lines)])).toEqual(
    [2, 3, 6, 8].map((line) => `src/a.ts:${line} a comment goes beyond column 140`),
  )
})

describe("bannedWords", () => {
  const marker = ["TO", "DO"].join("")
  test.each([
    ["src/base/a.ts", `// ${marker}: later`, ["src/base/a.ts:1 unfinished work is marked"]],
    ["src/base/a.ts", "export default 1", ["src/base/a.ts:1 default export"]],
    ["src/cli/a.ts", "process.exit(1)", ["src/cli/a.ts:1 process.exit belongs in src/main.ts only"]],
    ["src/main.ts", "process.exit(1)", []],
    ["src/tracee/a.ts", "await x", ["src/tracee/a.ts:1 below src/flow everything is synchronous"]],
    ["src/tracee/a.ts", '// never await\nconst text = "await"', []],
    ["src/flow/a.ts", "await x", []],
  ])("in %s: %p", (path, text, expected) => {
    expect(bannedWords([source(path, text)])).toEqual(expected)
  })
})

test("unusedExports names what only its own file has, or a comment, types too", () => {
  const own = source(
    "src/a.ts",
    "export const used = 1",
    "export function alone(): void {}",
    "export type Word = string",
    "export interface Pair<T> {",
    "alone()",
  )
  const other = source("test/a.test.ts", 'import { used } from "../src/a.ts"', "// alone", "export const here = used")
  expect(unusedExports([own, other])).toEqual(["alone", "Word", "Pair"].map((name) => `src/a.ts exports ${name}, which nothing uses`))
})

test("badNames refuses barrels, drawers and capitals", () => {
  const names = ["src/a/index.ts", "src/a/utils.ts", "src/a/readMemory.ts", "src/a/read-memory.ts"]
  expect(badNames(names.map((name) => source(name)))).toHaveLength(3)
})
