/**
 * The compiled binary on Debian's own kernels, in virtual machines: 5.10, 6.1, 6.12 and the newest. STASIS_KERNELS names those to boot
 * ("all", or versions between commas; by default the oldest and the newest), STASIS_KERNEL_ROWS=all takes every victim of test/live/rows.ts.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import { compileVictim } from "../harness/compile.ts"
import type { Row } from "../live/row.ts"
import { rows } from "../live/rows.ts"
import { KERNELS, type Kernel, prepareMachine } from "./machine.ts"

/** Dump, kill, restore, ask; dump with -R, ask; both many times over, ask. */
type Mode = "kill" | "leave" | "again"
interface Case {
  readonly mode: Mode
  readonly row: Row
}

const ALL = process.env.STASIS_KERNEL_ROWS === "all"
const ROUNDS = ALL ? 100 : 10
/** Longest run of a machine; its victims have deadlines of their own. */
const SECONDS = ALL ? 3000 : 600

/** What the short run takes. */
const CORE: ReadonlySet<string> = new Set([
  "threads",
  "threads, static",
  "madvise",
  "hugepages private",
  "hugepages memfd exact",
  "hugepages fork",
  "fpu",
  "posixtimers",
  "restarts nanosleep",
  "pipes",
  "ptys lines",
  "epolls",
  "seccomp filters",
  "rseqstate outside",
  "rseqcount",
  "families all",
])

const again = (source: string): Case => ({ mode: "again", row: { title: source, source, args: ["{folder}"] } })
const STAY = again("rseqstay")
// Those that take no word in the guest: it verifies every restore, and knows no options.
const plain = rows.filter(({ differs, options }) => differs === undefined && options === undefined)
const cases: readonly Case[] = [
  ...plain.filter(({ title }) => ALL || CORE.has(title)).map((row): Case => ({ mode: "kill", row })),
  ...plain.filter(({ title }) => ALL || title === "rseqspin").map((row): Case => ({ mode: "leave", row })),
  again("rseqspin"),
  STAY,
]

const nameOf = ({ mode, row: { title } }: Case): string => `${mode} ${title}`

function line({ mode, row }: Case): string {
  const { title, source, linkage, ask = "../ask", unasked, env = {}, args = [] } = row
  const settings = Object.entries(env).map(([name, value]) => `${name}=${value}`)
  const program = linkage === "static" ? `${source}-static` : source
  return [mode, title, program, ask, unasked ? "unasked" : "", settings.join(" "), args.join(" ")].map((word) => word || "-").join("\t")
}

/** True for "5.10.0-32" and "5.13". */
const isBefore = (release: string, since: string): boolean => Bun.semver.order(numbers(release), numbers(since)) < 0
const numbers = (release: string): string => `${release.split(/[^0-9.]/)[0]}.0.0`.split(".").slice(0, 3).join(".")

/** What a machine said. */
interface Report {
  readonly release: string
  /** How the kernel takes NO_RESTART sections: honoured, fatal or ignored. */
  readonly regime: string
  readonly words: ReadonlyMap<string, string>
}

async function boot(kernel: Kernel): Promise<Report | string> {
  try {
    const victims = [...new Set(cases.map(({ row: { source, linkage } }) => compileVictim(source, linkage)))]
    const text = await prepareMachine(kernel, victims, `${cases.map(line).join("\n")}\n`, ROUNDS).run(SECONDS)
    const release = /^RELEASE (\S+)/m.exec(text)?.[1]
    if (release === undefined) throw new Error(`it did not start: ${text.slice(-600)}`)
    const regime = /^REGIME .*?(honoured|fatal|ignored)/m.exec(text)?.[1] ?? "unknown"
    const words = [...text.matchAll(/^ROW (.*?): ((?:OK|FAIL|SKIP).*?)\r?$/gm)].map(([, name = "", word = ""]) => [name, word] as const)
    return { release, regime, words: new Map(words) }
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** Why a case means nothing on this kernel; undefined when it does. */
function notHere(one: Case, { release, regime }: Report): string | undefined {
  const [since, why] = one.row.since ?? []
  if (since !== undefined && isBefore(release, since)) return `needs Linux ${since}: ${why}`
  return one === STAY && regime !== "honoured" ? `NO_RESTART sections are ${regime} here` : undefined
}

const wanted = process.env.STASIS_KERNELS ?? "5.10,newest"
const chosen = wanted === "all" ? KERNELS : KERNELS.filter((kernel) => wanted.split(",").includes(kernel))

for (const kernel of chosen)
  describe(`Linux ${kernel}`, () => {
    let report: Report | string = "it was not started"
    beforeAll(
      async () => {
        report = await boot(kernel)
        if (typeof report === "string") console.log(`skipped: Linux ${kernel}: ${report}`)
        else {
          const said = [...report.words.values()]
          const count = (start: string): number => said.filter((word) => word.startsWith(start)).length
          console.log(`Linux ${report.release}: ${count("OK")} of ${cases.length} OK, NO_RESTART sections ${report.regime}`)
        }
      },
      SECONDS * 1000 + 300_000,
    )
    for (const one of cases)
      test(nameOf(one), () => {
        if (typeof report === "string") return
        const reason = notHere(one, report)
        const word = report.words.get(nameOf(one)) ?? "FAIL the machine did not come to it"
        if (reason) console.log(`skipped: ${nameOf(one)}: ${reason}`)
        else if (word.startsWith("SKIP")) console.log(`skipped: ${nameOf(one)}: ${word}`)
        else expect(word).toBe("OK")
      })
  })
