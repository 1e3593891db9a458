import { hex } from "../base/units.ts"
import type { RseqPlace } from "../flow/rseq/place.ts"
import type { RseqRow } from "../flow/rseq/row.ts"
import type { RseqReport } from "../flow/rseq/rseq.ts"
import type { RseqCount } from "../flow/rseq/sample.ts"
import type { Json } from "./show-json.ts"
import { tableLines } from "./show-table.ts"

type Found = Pick<RseqReport, "rows" | "counts">

const NONE = "-"
const HEAD = [
  "tid",
  "name",
  "registered",
  "address",
  "size",
  "signature",
  "cpu",
  "node",
  "mm_cid",
  "rseq_cs",
  "class",
  "at",
  "section",
] as const

const shown = (value: number | string | null): string => (value === null ? NONE : String(value))
const address = (value: bigint | number | null): string => (value === null ? NONE : hex(value))

/** "python3.11+0x1f30 (PyEval_EvalFrame+0x12)", or the bare address where no file holds it. */
const placeText = ({ address: at, module, symbol }: RseqPlace): string => `${module ?? hex(at)}${symbol ? ` (${symbol})` : ""}`

/** Bounds as people compare them with a disassembly; the end is the first address behind. */
const sectionText = ({ section }: RseqRow): string =>
  section
    ? `${placeText(section.start)} to ${section.end.module ?? hex(section.end.address)}, abort ${placeText(section.abort)}${section.flags ? `, flags ${hex(section.flags)}` : ""}`
    : NONE

const cells = (row: RseqRow): string[] => [
  String(row.tid),
  row.name,
  row.found ?? "no",
  address(row.address),
  shown(row.size),
  address(row.signature),
  shown(row.cpuId),
  shown(row.nodeId),
  shown(row.mmCid),
  row.rseqCs === 0n ? "0" : address(row.rseqCs),
  row.class,
  row.ip ? placeText(row.ip) : NONE,
  sectionText(row),
]

const counted = ({ tid, name, class: kind, section, count, of }: RseqCount): string[] => [
  String(tid),
  name,
  `${count} of ${of}`,
  kind,
  section ? placeText(section) : NONE,
]

/** Tables for people: a row a thread, then what has to be known of single threads; samples alone when there are any. */
export function rseqText({ rows, counts }: Found): string {
  if (counts) return tableLines(["tid", "name", "samples", "class", "section"], counts.map(counted), "").join("\n")
  const notes = rows.flatMap(({ tid, reason, warning }) =>
    [reason && `thread ${tid} is malformed: ${reason}`, warning && `thread ${tid}: ${warning}`].filter((note) => typeof note === "string"),
  )
  return [...tableLines(HEAD, rows.map(cells), ""), ...notes].join("\n")
}

const placeJson = (place: RseqPlace | null): Json => place && { address: hex(place.address), module: place.module, symbol: place.symbol }
const hexJson = (value: bigint | number | null): Json => (value === null ? null : hex(value))

/** The same for programs: addresses, pointers and signatures as "0x..." strings, all else as numbers; null = not known or not there. */
export function rseqJson({ rows, counts }: Found): Json {
  const threads = rows.map((row) => ({
    pid: row.pid,
    tid: row.tid,
    name: row.name,
    registered: row.found,
    address: hexJson(row.address),
    size: row.size,
    signature: hexJson(row.signature),
    cpu_id: row.cpuId,
    node_id: row.nodeId,
    mm_cid: row.mmCid,
    rseq_cs: hexJson(row.rseqCs),
    class: row.class,
    ip: placeJson(row.ip),
    section: row.section && {
      start: placeJson(row.section.start),
      end: placeJson(row.section.end),
      abort: placeJson(row.section.abort),
      flags: row.section.flags,
    },
    reason: row.reason,
    warning: row.warning,
  }))
  if (!counts) return { threads }
  const samples = counts.map(({ tid, name, class: kind, section, count, of }) => ({
    tid,
    name,
    class: kind,
    section: placeJson(section),
    count,
    of,
  }))
  return { threads, samples }
}
