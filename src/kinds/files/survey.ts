import { KCMP } from "../../../ffi/abi/file.ts"
import { attempt } from "../../../ffi/syscall.ts"
import type { Refusal } from "../../base/errors.ts"
import { listThreads } from "../../proc/tasks.ts"
import type { FileRow, Found, Reason, Surveying } from "./kind.ts"
import { refuseOwner } from "./owner.ts"
import { fileKinds, refusedFiles } from "./registry.ts"

/** The row of a descriptor's kind; undefined when it is refused. */
export const rowOf = (found: Found): FileRow | undefined => fileKinds.find(({ matches }) => matches(found))

/** Why one descriptor cannot be kept; undefined when it can. */
function reasonOf(found: Found, surveying: Surveying): Reason | undefined {
  const row = rowOf(found)
  if (row) return row.refuse(found, surveying) ?? refuseOwner(found.owner, found.pid, surveying.threads)
  const refused = refusedFiles.find(({ matches }) => matches(found))
  if (!refused) throw new Error("Unreachable: the last row of refusedFiles matches everything")
  return { what: `${refused.what} ("${found.target}")`, remedy: refused.remedy }
}

/** Every descriptor that cannot be kept; those with one reason make one line. */
export function refusedDescriptors(all: readonly Found[], surveying: Surveying): Refusal[] {
  const refused = all.flatMap((found) => {
    const reason = reasonOf(found, surveying)
    return reason ? [{ found, reason }] : []
  })
  const lines = Map.groupBy(refused, ({ reason: { what, remedy } }) => `${what}\n${remedy}`)
  return [...lines.values()].flatMap((line) => {
    const [first] = line
    return first ? [{ ...first.reason, where: `task ${first.found.pid} fd ${line.map(({ found }) => found.fd).join(", ")}` }] : []
  })
}

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
