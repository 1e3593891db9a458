import { KCMP } from "../../../ffi/abi/file.ts"
import { groupByOrder } from "../../base/order.ts"
import { compareObjects } from "../../tracee/kcmp.ts"
import type { Found } from "./collecting.ts"

/**
 * Descriptors of one open file description, in the order they were given: dup(2) and fork(2) make them, and they share offset, flags and
 * owner.
 */
export type Shared = readonly [first: Found, ...more: Found[]]

const likenesses = new WeakMap<Found, string>()
/** What two descriptors of one open file agree in. The target is no part: a file may be renamed between two looks. */
const likeness = (found: Found): string =>
  likenesses.getOrInsertComputed(found, ({ stat, info, flags }) => `${stat.dev}:${stat.ino}:${info.pos}:${flags}:${info.mntId}`)

/**
 * Groups descriptors of several processes by open file, in the order in which each file comes first.
 *
 * @throws SyscallError ENOSYS a kernel without CONFIG_KCMP · EPERM no ptrace access
 * Man page: kcmp(2). Exact only while the processes are stopped: one that runs may move an offset between two looks, and then its open file
 * counts as two.
 */
export function groupShared(all: readonly Found[]): Shared[] {
  const groups: Shared[] = []
  let inOrder = true
  for (const [first, ...more] of Map.groupBy(all, likeness).values()) {
    if (!first) continue
    const found = more.length === 0 ? [[first] as const] : groupByOrder([first, ...more], compare)
    groups.push(...found)
    inOrder &&= found.length === 1
  }
  if (inOrder) return groups
  const place = new Map(all.map((found, index) => [found, index]))
  return groups.sort(([a], [b]) => (place.get(a) ?? 0) - (place.get(b) ?? 0))
}

const compare = (a: Found, b: Found): number => compareObjects(a.pid, b.pid, KCMP.FILE, a.fd, b.fd)
