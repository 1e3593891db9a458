import { KCMP } from "../../../ffi/abi/file.ts"
import { syscall } from "../../../ffi/syscall.ts"
import type { Found } from "./kind.ts"

/** Descriptors of one open file description, ascending: dup(2) and fork(2) make them, and they share offset, flags and owner. */
export type Shared = readonly [first: Found, ...more: Found[]]

/** What two descriptors of one open file agree in. The target is no part: a file may be renamed between two looks. */
const likeness = ({ stat, info, flags }: Found): string => `${stat.dev}:${stat.ino}:${info.pos}:${flags}:${info.mntId}`

/**
 * Groups descriptors of one process by open file, in the order of their lowest numbers.
 *
 * @throws SyscallError ENOSYS a kernel without CONFIG_KCMP · EPERM no ptrace access
 * Precondition: the process is stopped, else offsets move between two looks. Man page: kcmp(2).
 */
export function groupShared(all: readonly Found[]): Shared[] {
  const alike = Map.groupBy(all, likeness)
  const groups = [...alike.values()].flatMap(groupAlike)
  return groups.sort(([a], [b]) => a.fd - b.fd)
}

/** Sorts candidates by the kernel's order of open files: n log n questions, not n². */
function groupAlike(candidates: readonly Found[]): Shared[] {
  const sorted: [Found, ...Found[]][] = []
  for (const candidate of candidates) {
    let [low, high] = [0, sorted.length]
    let equal: [Found, ...Found[]] | undefined
    while (low < high && !equal) {
      const middle = (low + high) >> 1
      const group = sorted[middle]!
      const order = compare(candidate, group[0])
      if (order === 0) equal = group
      else if (order === 1) high = middle
      else low = middle + 1
    }
    if (equal) equal.push(candidate)
    else sorted.splice(low, 0, [candidate])
  }
  return sorted
}

const compare = (a: Found, b: Found): number => syscall("kcmp", a.pid, b.pid, KCMP.FILE, a.fd, b.fd)
