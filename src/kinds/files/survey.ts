import { KCMP } from "../../../ffi/abi/file.ts"
import { attempt } from "../../../ffi/syscall.ts"
import { fd_types } from "../../../proto/gen/fdinfo_pb.ts"
import type { Refusal } from "../../base/errors.ts"
import { isEnding } from "../../proc/stat.ts"
import type { Found, Reason, Surveying } from "./collecting.ts"
import type { Shared } from "./group-shared.ts"
import { refuseLocks } from "./lock/collect.ts"
import { refuseOwner } from "./owner.ts"
import { type RefusedFile, refusedFiles, refusedText } from "./refused.ts"
import { fileKinds } from "./registry.ts"
import type { FileRow } from "./row.ts"

const rows = new WeakMap<Found, FileRow | undefined>()
/** The row of a descriptor's kind; undefined when it is refused. */
export const rowOf = (found: Found): FileRow | undefined =>
  rows.getOrInsertComputed(found, () => fileKinds.find(({ matches }) => matches(found)))

/** The row of a kind that is refused. */
function refusedRowOf(found: Found): RefusedFile {
  const refused = refusedFiles.find(({ matches }) => matches(found))
  if (!refused) throw new Error("Unreachable: the last row of refusedFiles matches everything")
  return refused
}

/** Name of a descriptor's kind: that of CRIU's fd_types where it is kept, else that of its refusal. */
export function kindWord(found: Found): string {
  const row = rowOf(found)
  return row ? (fd_types[row.type] ?? `type ${row.type}`) : refusedRowOf(found).what
}

/** Why one descriptor cannot be kept; undefined when it can. */
function reasonOf(found: Found, surveying: Surveying): Reason | undefined {
  const row = rowOf(found)
  if (found.filtered)
    return {
      what: `a socket with a filter of eBPF, which nobody can read ("${found.target}")`,
      remedy: "Let the program attach a classic filter (SO_ATTACH_FILTER) instead, or detach it before the dump",
    }
  if (row) return row.refuse(found, surveying) ?? refuseLocks(found, surveying.keeping) ?? refuseOwner(found.owner, surveying.insiders)
  const refused = refusedRowOf(found)
  return { what: `${refusedText(refused, found)} ("${found.target}")`, remedy: refused.remedy }
}

/** An open file that cannot be kept, and why. */
export interface Refused {
  readonly by: Found
  readonly reason: Reason
}

/** An open file that can be kept, through the descriptor that it is collected by; or why it cannot. */
export type Judgement = { readonly by: Found; readonly reason: undefined } | Refused

/**
 * Judges an open file: it is kept when one of its descriptors shows all of it. An epoll that was inherited by fork watches what its maker
 * has open, not what its other holders have.
 *
 * @param surveyingOf what to look at beside a descriptor, by its process
 */
export function judge(shared: Shared, surveyingOf: (pid: number) => Surveying): Judgement {
  let first: Judgement | undefined
  for (const found of shared) {
    const reason = reasonOf(found, surveyingOf(found.pid))
    if (!reason) return { by: found, reason }
    first ??= { by: found, reason }
  }
  if (!first) throw new Error("Unreachable: an open file without a descriptor")
  return first
}

/** Every open file that cannot be kept. */
export const refusedOf = (judged: readonly Judgement[]): Refused[] => judged.flatMap((file) => (file.reason ? [file] : []))

/** Those of a first look that a later one finds again: a running program may close and open files while it is looked at. */
export const stillRefused = (first: readonly Refused[], later: readonly Refused[]): Refused[] =>
  later.filter(({ by: { pid, fd }, reason: { what } }) =>
    first.some(({ by, reason }) => by.pid === pid && by.fd === fd && reason.what === what),
  )

/** What is said of them: those of one process with one reason make one line. */
export function describeRefused(refused: readonly Refused[]): Refusal[] {
  const lines = Map.groupBy(refused, ({ by, reason: { what, remedy } }) => `${by.pid}\n${what}\n${remedy}`)
  return [...lines.values()].flatMap((line) => {
    const [first] = line
    return first ? [{ ...first.reason, where: placeOf(first.by.pid, line) }] : []
  })
}

/** What is in flight is known by a descriptor of ours. */
const placeOf = (pid: number, line: readonly Refused[]): string =>
  pid === process.pid ? "in flight through a socket" : `task ${pid} fd ${line.map(({ by }) => by.fd).join(", ")}`

const TABLES = [
  { type: KCMP.FILES, what: "a descriptor table of its own", flag: "CLONE_FILES" },
  { type: KCMP.FS, what: "a working directory of its own", flag: "CLONE_FS" },
] as const

/** Threads that unshare(2) gave their own descriptors or directories. Kernels without kcmp(2) are found out by the feature check. */
export const refusedThreads = (pid: number, tids: readonly number[]): Refusal[] =>
  tids.flatMap((tid) =>
    TABLES.filter(({ type }) => tid !== pid && attempt("kcmp", pid, tid, type, 0, 0) > 0 && !isEnding(pid, tid)).map(({ what, flag }) => ({
      what,
      where: `thread ${tid} of task ${pid}`,
      remedy: `Start the program without unshare(${flag}) in its threads`,
    })),
  )
