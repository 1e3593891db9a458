import type { Linkage } from "../harness/compile.ts"
import type { Row } from "../live/row.ts"
import { NO_LIBRARY_RSEQ, rows } from "../live/rows.ts"
import type { Kernel } from "./machine.ts"

/** Where images come from: a kernel's machine, or this one. */
export type Origin = Kernel | "host"

/**
 * What is done to a victim: dump, kill, restore, ask; dump with -R, ask; both many times over, ask; the same with a tool that is killed;
 * the first, with images that other machines get too; what comes from one, as it was or as near to it as this kernel can.
 */
export type Mode = "kill" | "leave" | "again" | "killed" | "save" | `from-${Origin}` | `lesser-${Origin}`

export interface Case {
  readonly mode: Mode
  readonly row: Row
}

export const ALL = process.env.STASIS_KERNEL_ROWS === "all"

/** @throws Error when no row has one of the titles: it would be left out without a word */
function titled(titles: readonly string[]): ReadonlySet<string> {
  const wrong = titles.filter((title) => !rows.some((row) => row.title === title))
  if (wrong.length > 0) throw new Error(`no victim is called ${wrong.join(", ")}`)
  return new Set(titles)
}

/** What the short run takes. */
const CORE = titled([
  "threads",
  "threads, static",
  "vdso",
  "madvise",
  "hugepages private",
  "hugepages memfd exact",
  "hugepages fork",
  "fpu",
  "pkeys",
  "posixtimers",
  "restarts nanosleep",
  "pipes",
  "sharedmem",
  "unixpairs",
  "ptys lines",
  "epolls",
  "seccomp filters",
  "rseqstate outside",
  "rseqcount",
  "families all",
])

const own = (source: string): Row => ({ title: source, source, args: ["{folder}"] })
/** The kernel lengthens time slices of threads that have registered more than 32 bytes. Kernel: kernel/rseq.c rseq_register() */
const slices: Row = { ...own("rseqslice"), env: NO_LIBRARY_RSEQ }
const musl = (source: string): Row => ({ title: `${source}, musl`, source, linkage: "musl" })

/** A thread that stays in one section with all NO_RESTART flags, dumped again and again; and by a tool that is killed. */
export const STAYS: readonly Case[] = [
  { mode: "again", row: own("rseqstay") },
  { mode: "killed", row: own("rseqstay") },
]
/** A thread in sections that only kernels which ignore flags do not kill for. */
export const OVERLOOKED: Case = {
  mode: "again",
  row: { title: "rseqspin overlooked", source: "rseqspin", args: ["{folder}", "overlooked"] },
}
// Those that take no word in the guest: it verifies every restore, and knows no options.
const plain = rows.filter(({ options }) => options === undefined)
const kept = (title: string): boolean => ALL || CORE.has(title)

/** Titles of what goes from machine to machine; the first ones in the short run. */
const FAR = ["threads", "rseqcount", "pipes", "unixpairs", "families all"]
// Not those that compare what is another machine's: devices of files, flags that a kernel does not show, options that it lacks, the day's
// time.
const FARTHER = [
  "rseqspin",
  "fpu",
  "posixtimers",
  "threads, static",
  "heap",
  "epolls",
  "eventfds",
  "memfds",
  "sharedmem",
  "sysvshm kept",
  "signalfds",
  "rseqstate idle",
  "rseqstate outside",
  "restarts poll",
  "restarts futex",
  "seccomp filters",
  "ptys lines",
  "clocks",
]
const travellers = titled(ALL ? [...FAR, ...FARTHER] : FAR)

/** Registers more bytes than kernels before 6.3 take. */
export const LONG: Row | undefined = rows.find(({ title }) => title === "rseqstate idle, own registration of 64 bytes")

/** Most of the time outside of the vdso: who hardly ever is there may be refused elsewhere. */
const rarely = (linkage: Linkage): Row => ({ title: `vdso, now and then, ${linkage}`, source: "vdso", linkage, args: ["rarely"] })

/** What goes from one machine to another. */
export const farRows: readonly Row[] = [
  ...(["dynamic", "static", "musl"] as const).map(rarely),
  ...plain.filter(({ title }) => travellers.has(title)),
  ...(ALL ? [musl("threads")] : []),
  ...(LONG ? [LONG] : []),
]

const kills: readonly Row[] = [
  ...plain.filter(({ title }) => kept(title)),
  ...(ALL ? ["threads", "vdso", "pipes", "families"] : ["threads", "vdso"]).map(musl),
  ...(ALL ? [slices] : []),
]
const far = new Set(farRows.map(({ title }) => title))

/** What each machine does for itself. */
export const ownCases: readonly Case[] = [
  ...farRows.map((row): Case => ({ mode: "save", row })),
  ...kills.filter(({ title }) => !far.has(title)).map((row): Case => ({ mode: "kill", row })),
  ...plain.filter(({ title }) => ALL || title === "rseqspin").map((row): Case => ({ mode: "leave", row })),
  ...(ALL ? [{ mode: "leave", row: slices } as const] : []),
  { mode: "again", row: own("rseqspin") },
  // Registered in an __rseq_abi of its own: where the kernel does not tell, a guess has to find it.
  { mode: "kill", row: own("rseqtls") },
  ...STAYS,
  OVERLOOKED,
  { mode: "killed", row: own("rseqcount") },
]

/** Name of a row's files. */
export const idOf = ({ title }: Row): string => title.replaceAll(/[^\w]+/g, "_")
export const nameOf = ({ mode, row: { title } }: Case): string => `${mode} ${title}`

/** A case as a line of /rows, see ./guest.sh. */
export function lineOf({ mode, row }: Case): string {
  const { title, source, linkage = "dynamic", ask = "../ask", unasked, env = {}, args = [] } = row
  const settings = Object.entries(env).map(([name, value]) => `${name}=${value}`)
  const program = linkage === "dynamic" ? source : `${source}-${linkage}`
  const words = [mode, idOf(row), title, program, ask, unasked ? "unasked" : "", settings.join(" "), args.join(" ")]
  return words.map((word) => word || "-").join("\t")
}
