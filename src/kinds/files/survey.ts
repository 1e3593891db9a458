import { KCMP } from "../../../ffi/abi/file.ts"
import { attempt } from "../../../ffi/syscall.ts"
import type { Refusal } from "../../base/errors.ts"
import { listThreads } from "../../proc/tasks.ts"
import type { FileRow, Found, Reason, Surveying } from "./kind.ts"
import { fileKinds, refusedFiles } from "./registry.ts"

/** The row of a descriptor's kind; undefined when it is refused. */
export const rowOf = (found: Found): FileRow | undefined => fileKinds.find(({ matches }) => matches(found))

/** Why one descriptor cannot be kept; undefined when it can. */
function reasonOf(found: Found, surveying: Surveying): Reason | undefined {
  const row = rowOf(found)
  if (row) return row.refuse(found, surveying)
  const refused = refusedFiles.find(({ matches }) => matches(found))
  if (!refused) throw new Error("Unreachable: the last row of refusedFiles matches everything")
  return { what: `${refused.what} ("${found.target}")`, remedy: refused.remedy }
}

/** Reasons by descriptor as refusals: descriptors with one reason make one line. */
export function joinReasons(pid: number, reasons: readonly { readonly fd: number; readonly reason: Reason }[]): Refusal[] {
  const lines = Map.groupBy(reasons, ({ reason: { what, remedy } }) => `${what}\n${remedy}`)
  return [...lines.values()].flatMap((line) => {
    const [first] = line
    return first ? [{ ...first.reason, where: `task ${pid} fd ${line.map(({ fd }) => fd).join(", ")}` }] : []
  })
}

/** Every descriptor that cannot be kept, with the reason. */
export const refusedDescriptors = (all: readonly Found[], surveying: Surveying): { fd: number; reason: Reason }[] =>
  all.flatMap((found) => {
    const reason = reasonOf(found, surveying)
    return reason ? [{ fd: found.fd, reason }] : []
  })

const TABLES = [
  { type: KCMP.FILES, what: "a descriptor table of its own", flag: "CLONE_FILES" },
  { type: KCMP.FS, what: "a working directory of its own", flag: "CLONE_FS" },
] as const

/** Threads that unshare(2) gave their own descriptors or directories. Kernels without kcmp(2) are found out by the feature check. */
export const refusedThreads = (pid: number): Refusal[] =>
  listThreads(pid).flatMap((tid) =>
    TABLES.filter(({ type }) => attempt("kcmp", pid, tid, type, 0, 0) > 0).map(({ what, flag }) => ({
      what,
      where: `thread ${tid} of task ${pid}`,
      remedy: `Start the program without unshare(${flag}) in its threads`,
    })),
  )
