import { readdirSync } from "node:fs"
import { join } from "node:path"
import { ROOT } from "./folders.ts"

/** The parts of `npm test` in their order; those of one step run at the same time. */
export const STEPS = [["check"], ["build"], ["unit"], ["live"], ["programs", "containers"], ["crossing"], ["kernels"]] as const

/**
 * Tests that run beside the others of their folder: they take about as long as all those together, and use nothing that others could take
 * or look for in the whole machine: no terminal, segment, connection or table of nf_tables.
 */
const BESIDE = {
  live: [
    "clocks",
    "crash",
    "departs",
    "ends",
    "filesystems",
    "freezer",
    "interrupt",
    "moving",
    "programs",
    "restore-killed",
    "rseq",
    "storms",
    "vdso",
    "without",
  ],
  crossing: ["clocks", "cpu", "filesystems"],
  kernels: ["arm64"],
} as const

/** The lane of those, and before it the one of all others. */
function twoLanes(name: keyof typeof BESIDE): string[][] {
  const folder = `test/${name}`
  const beside = BESIDE[name].map((file) => `${folder}/${file}.test.ts`)
  const files = readdirSync(join(ROOT, folder)).filter((file) => file.endsWith(".test.ts"))
  const others = files.map((file) => `${folder}/${file}`).filter((file) => !beside.includes(file))
  return [others, beside]
}

const LANES = {
  unit: unitLanes,
  live: () => twoLanes("live"),
  programs: () => [["test/programs/"]],
  containers: () => [["test/containers/"]],
  crossing: () => twoLanes("crossing"),
  kernels: () => twoLanes("kernels"),
} as const

/** A part that is a list of tests. */
export type TestPart = keyof typeof LANES

/** The test files and folders of a part, in lanes that may run at the same time: one or two. */
export const lanesOf = (part: TestPart): string[][] => LANES[part]()

/** Folders of test/ that hold tests without a part of their own; those that take as long as all others in a lane of theirs. */
function unitLanes(): string[][] {
  const elsewhere = ["bench", "victims", "harness", ...Object.keys(LANES)]
  const folders = readdirSync(join(ROOT, "test"), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !elsewhere.includes(entry.name))
    .map(({ name }) => `test/${name}/`)
    .filter((folder) => readdirSync(join(ROOT, folder), { recursive: true }).some((name) => `${name}`.endsWith(".test.ts")))
  const { beside = [], others = [] } = Object.groupBy(folders, (folder) => (/build|tracee/.test(folder) ? "beside" : "others"))
  return [others, beside]
}
