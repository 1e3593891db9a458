/**
 * The compiled binary on Debian's own kernels, in virtual machines: 5.10, 6.1, 6.12 and the newest. Each does what it can alone and saves
 * some victims; then each is started once more, with what the others and this machine saved. STASIS_KERNELS names those to boot ("all", or
 * versions between commas, in their order; by default the oldest and the newest), STASIS_KERNEL_ROWS=all takes every victim of
 * test/live/rows.ts.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import { compileVictim } from "../harness/compile.ts"
import { skip } from "../harness/skip.ts"
import type { Row } from "../live/row.ts"
import { ALL, type Case, farRows, LONG, lineOf, nameOf, type Origin, OVERLOOKED, ownCases, STAYS } from "./cases.ts"
import { KERNELS, type Kernel, type Load, prepareMachine } from "./machine.ts"
import { HERE, isBefore, parcelOf, programsAbroad, saveHere } from "./travel.ts"

const ROUNDS = ALL ? 100 : 3
/** Longest run of a machine; its victims have deadlines of their own. */
const SECONDS = ALL ? 4000 : 600
/** Machines that run at the same time. */
const AT_ONCE = 2

const wanted = process.env.STASIS_KERNELS ?? "5.10,newest"
const chosen = wanted === "all" ? KERNELS : wanted.split(",").flatMap((word) => KERNELS.filter((kernel) => kernel === word))
const origins: readonly Origin[] = [...chosen, "host"]

/** What a machine said. */
interface Report {
  readonly release: string
  /** How the kernel takes NO_RESTART sections: honoured, fatal or ignored; empty when it was not asked. */
  readonly regime: string
  readonly words: ReadonlyMap<string, string>
  readonly parcel: Uint8Array
  readonly seconds: number
}

async function boot(kernel: Kernel, cases: readonly Case[], load: Omit<Load, "victims" | "rows">): Promise<Report | string> {
  const started = performance.now()
  try {
    const victims = [...new Set(cases.map(({ row: { source, linkage } }) => compileVictim(source, linkage)))]
    const { text, parcel } = await prepareMachine(kernel, { victims, rows: `${cases.map(lineOf).join("\n")}\n`, ...load }).run(SECONDS)
    const release = /^RELEASE (\S+)/m.exec(text)?.[1]
    if (release === undefined) throw new Error(`it did not start: ${text.slice(-600)}`)
    const regime = /^REGIME .*?(honoured|fatal|ignored)/m.exec(text)?.[1] ?? ""
    const words = [...text.matchAll(/^ROW (.*?): ((?:OK|FAIL|SKIP).*?)\r?$/gm)].map(([, name = "", word = ""]) => [name, word] as const)
    return { release, regime, words: new Map(words), parcel, seconds: Math.round((performance.now() - started) / 1000) }
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** Runs a step for each, some at the same time. */
async function each<T>(all: readonly T[], run: (one: T) => Promise<void>): Promise<void> {
  const left = [...all]
  const worker = async (): Promise<void> => {
    for (let one = left.shift(); one !== undefined; one = left.shift()) await run(one)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
}

/** What a machine takes up from elsewhere. Lengths of rseq above 32 are new in 6.3. */
const isOld = (origin: Origin): boolean => (origin === "host" ? isBefore(HERE, "6.3") : origin === "5.10" || origin === "6.1")
const fromOthers = (kernel: Kernel): Case[] =>
  origins
    .filter((origin) => origin !== kernel)
    .flatMap((origin) => farRows.map((row): Case => ({ mode: `${row === LONG && isOld(kernel) ? "lesser" : "from"}-${origin}`, row })))
    .filter(({ mode, row }) => !(row.linkage === "musl" && mode.endsWith("host")))

const first = new Map<Kernel, Report | string>()
const second = new Map<Kernel, Report | string>()
let here: Awaited<ReturnType<typeof saveHere>> = { words: new Map(), parcel: new Uint8Array() }
const releaseOf = (origin: Origin): string => {
  const report = origin === "host" ? undefined : first.get(origin)
  return typeof report === "object" ? report.release : HERE
}

beforeAll(
  async () => {
    const hostRows = farRows.filter(({ linkage, since }) => linkage !== "musl" && !(since && isBefore(HERE, since[0])))
    const booted = each(chosen, async (kernel) => {
      const load = { rounds: ROUNDS, firstPid: 10_000 + 4000 * KERNELS.indexOf(kernel) }
      const report = await boot(kernel, ownCases, load)
      first.set(kernel, report)
      summarise(kernel, report, ownCases)
    })
    ;[here] = await Promise.all([saveHere(hostRows), booted])
    await each(chosen, async (kernel) => {
      const parcels = new Map<Origin, Uint8Array>([["host", here.parcel]])
      for (const [origin, report] of first) if (origin !== kernel && typeof report === "object") parcels.set(origin, report.parcel)
      const load = { rounds: 0, crossed: parcelOf(parcels), abroad: programsAbroad(hostRows) }
      second.set(kernel, await boot(kernel, fromOthers(kernel), load))
    })
    for (const [kernel, report] of second) summarise(`${kernel}, from elsewhere`, report, fromOthers(kernel))
  },
  2 * Math.ceil(KERNELS.length / AT_ONCE) * SECONDS * 1000 + 600_000,
)

function summarise(name: string, report: Report | string, cases: readonly Case[]): void {
  if (typeof report === "string") {
    skip(`Linux ${name}: ${report}`)
    return
  }
  const outcomes = cases.map((one) => outcomeOf(one, report))
  const count = (start: string): number => outcomes.filter((word) => word.startsWith(start)).length
  const sections = report.regime === "" ? "" : `; NO_RESTART sections ${report.regime}`
  console.log(
    `Linux ${name} (${report.release}): ${count("OK")} OK, ${count("SKIP")} skipped, ${count("FAIL")} failed, ${report.seconds} s${sections}`,
  )
}

/** Why a row means nothing on a kernel; undefined when it does. */
function notHere({ since }: Row, release: string): string | undefined {
  const [first, why] = since ?? []
  return first !== undefined && isBefore(release, first) ? `needs Linux ${first}: ${why}` : undefined
}

/** Why a case means nothing on the machine of a report, or on the one that saved it. */
function meaningless(one: Case, { release, regime }: Report): string | undefined {
  if (one === OVERLOOKED && regime !== "ignored") return "this kernel kills for such a section"
  if (STAYS.includes(one) && regime !== "honoured") return `NO_RESTART sections are ${regime} here`
  const [, way, origin] = /^(from|lesser)-(.*)/.exec(one.mode) ?? []
  return (origin && notHere(one.row, releaseOf(origin as Origin))) || (way === "lesser" ? undefined : notHere(one.row, release))
}

/** What a case came to: OK, or FAIL or SKIP and why. */
function outcomeOf(one: Case, report: Report): string {
  const reason = meaningless(one, report)
  return reason ? `SKIP ${reason}` : (report.words.get(nameOf(one)) ?? "FAIL the machine did not come to it")
}

function check(one: Case, report: Report | string | undefined): void {
  const outcome = typeof report === "object" ? outcomeOf(one, report) : `SKIP ${report ?? "this kernel was not started"}`
  if (outcome.startsWith("SKIP")) skip(outcome.replace(/^SKIP /, ""))
  else expect(outcome).toBe("OK")
}

for (const kernel of chosen)
  describe(`Linux ${kernel}`, () => {
    for (const one of ownCases) test(nameOf(one), () => check(one, first.get(kernel)))
    for (const one of fromOthers(kernel)) test(nameOf(one), () => check(one, second.get(kernel)))
  })

describe("this machine", () => {
  for (const row of farRows.filter(({ linkage }) => linkage !== "musl"))
    test(`save ${row.title}`, () => {
      const reason = notHere(row, HERE)
      if (reason) skip(reason)
      else expect(here.words.get(row.title)).toBe("OK")
    })
})
