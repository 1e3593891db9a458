import { KCMP } from "../../../ffi/abi/file.ts"
import { groupByOrder } from "../../base/order.ts"
import { compareObjects } from "../../tracee/kcmp.ts"
import type { Found } from "./collecting.ts"

/**
 * Descriptors of one open file description, in the order they were given: dup(2) and fork(2) make them, and they share offset, flags and
 * owner.
 */
export type Shared = readonly [first: Found, ...more: Found[]]

/** What two descriptors of one open file agree in. The target is no part: a file may be renamed between two looks. */
const likeness = ({ stat, info, flags }: Found): string => `${stat.dev}:${stat.ino}:${info.pos}:${flags}:${info.mntId}`

/**
 * Groups descriptors of several processes by open file, in the order in which each file comes first.
 *
 * @throws SyscallError ENOSYS a kernel without CONFIG_KCMP · EPERM no ptrace access
 * Man page: kcmp(2). Exact only while the processes are stopped: one that runs may move an offset between two looks, and then its open file
 * counts as two.
 */
export function groupShared(all: readonly Found[]): Shared[] {
  const place = new Map(all.map((found, index) => [found, index]))
  const alike = Map.groupBy(all, likeness)
  const groups = [...alike.values()].flatMap((candidates): Shared[] =>
    candidates.length === 1 ? [candidates as [Found]] : groupByOrder(candidates, compare),
  )
  return groups.sort(([a], [b]) => (place.get(a) ?? 0) - (place.get(b) ?? 0))
}

const compare = (a: Found, b: Found): number => compareObjects(a.pid, b.pid, KCMP.FILE, a.fd, b.fd)
