import { MAP, PROT } from "../../../ffi/abi/mman.ts"
import { closeSync, openSync } from "../../../ffi/fs.ts"
import { memoryAt } from "../../../ffi/kernel.ts"
import { syscall } from "../../../ffi/syscall.ts"
import type { Range } from "../../base/units.ts"
import { type Inheritance, type MemoryFacts, planInheritance, type Run, type SameBytes } from "../../kinds/memory/inherit.ts"
import { fitsBirth, type Keys } from "../../kinds/memory/protection-keys.x86_64.ts"
import type { Fill } from "../../kinds/memory/restore.ts"
import { type BirthPlan, bornFrom, clonersOf, earlyTasks } from "../../kinds/tree/plan.ts"
import type { SavedTree } from "../images.ts"

/** Fills by the path of their pages file. */
export type Fills = ReadonlyMap<string, readonly Fill[]>

/** Pages files in our own memory, to be compared. */
class MappedPages implements Disposable {
  private readonly files = new Map<string, { readonly address: number; readonly bytes: Uint8Array }>()

  private bytesOf(path: string, size: number): Uint8Array {
    return this.files.getOrInsertComputed(path, () => {
      const fd = openSync(path, "r")
      try {
        const address = syscall("mmap", 0, size, PROT.READ, MAP.PRIVATE, fd, 0)
        return { address, bytes: memoryAt(address, size).bytes }
      } finally {
        closeSync(fd)
      }
    }).bytes
  }

  /** @param sizes bytes that are used of each file */
  comparer(sizes: ReadonlyMap<string, number>): SameBytes {
    const part = ({ path, offset }: { path: string; offset: bigint }, length: bigint): Uint8Array =>
      this.bytesOf(path, sizes.get(path) ?? 0).subarray(Number(offset), Number(offset + length))
    return (child, parent, length) => Buffer.compare(part(child, length), part(parent, length)) === 0
  }

  [Symbol.dispose](): void {
    for (const { address, bytes } of this.files.values()) syscall("munmap", address, bytes.length)
    this.files.clear()
  }
}

const runsOf = (fills: Fills): Run[] =>
  [...fills].flatMap(([path, parts]) => parts.map((fill) => ({ ...fill, path }))).sort((a, b) => (a.start < b.start ? -1 : 1))

/** Bytes of each pages file that some process uses. */
function sizesOf(fills: Iterable<Fills>): Map<string, number> {
  const sizes = new Map<string, number>()
  for (const files of fills)
    for (const [path, parts] of files)
      for (const { offset, length } of parts) sizes.set(path, Math.max(sizes.get(path) ?? 0, Number(offset + length)))
  return sizes
}

/**
 * What each process can inherit from the one that clones it: memory with the same contents, which fork shares copy-on-write. The pages
 * themselves tell it, so that images of any program do.
 *
 * @param fills of every process that makes its own memory
 */
export function planInheritances(
  { processes }: SavedTree,
  birthPlan: BirthPlan,
  fills: ReadonlyMap<number, Fills>,
): Map<number, Inheritance> {
  const facts = new Map(
    processes.flatMap(({ tree: { pid }, mm, extension, standIn }): [number, MemoryFacts][] => {
      const own = fills.get(pid)
      // What stands in for an old vdso is written over once it is filled: each process makes its own.
      const vmas = mm.vmas.filter(({ start }) => start !== standIn?.start)
      return own ? [[pid, { mm: { ...mm, vmas }, extension: extension?.vmas ?? [], runs: runsOf(own) }]] : []
    }),
  )
  using mapped = new MappedPages()
  const same = mapped.comparer(sizesOf(fills.values()))
  const found = new Map<number, Inheritance>()
  for (const round of birthPlan.rounds)
    for (const [task, acts] of round)
      for (const act of acts) {
        const [child, parent] = act.act === "clone" ? [facts.get(act.child), facts.get(task)] : []
        const inheritance = child && parent && planInheritance(child, parent, same)
        if (act.act === "clone" && inheritance) found.set(act.child, inheritance)
      }
  const keys = new Map(
    processes.flatMap(({ tree: { pid }, extension }) => (facts.has(pid) && extension ? [[pid, extension] as const] : [])),
  )
  return withFittingKeys(found, keys, birthPlan)
}

/**
 * What can be inherited when nobody is to be born with a protection key that he cannot have: who has such a child makes his memory after
 * all his children are born, and they read theirs.
 *
 * @param keys of each process that makes its own memory
 */
export function withFittingKeys<T>(
  inheritances: ReadonlyMap<number, T>,
  keys: ReadonlyMap<number, Keys>,
  birthPlan: Pick<BirthPlan, "rounds">,
): Map<number, T> {
  const cloners = clonersOf(birthPlan)
  const left = new Map(inheritances)
  for (;;) {
    const early = earlyTasks(left.keys(), cloners)
    const givers = new Set(
      [...keys].flatMap(([pid, own]) => {
        const giver = bornFrom(pid, cloners, early)
        return giver !== undefined && !fitsBirth(own, keys.get(giver)) ? [giver] : []
      }),
    )
    if (givers.size === 0) return left
    for (const heir of inheritances.keys()) if (givers.has(cloners.get(heir) ?? 0)) left.delete(heir)
  }
}

/** What is still to be read of a process that inherits. */
export function withoutInherited(fills: Fills, inherited: Inheritance | undefined): Fills {
  if (!inherited) return fills
  return new Map([...fills].map(([path, parts]) => [path, parts.flatMap((fill) => cutFill(fill, inherited.same))]))
}

/** The parts of a fill that no range covers. @param cut ascending */
function cutFill({ start, length, offset }: Fill, cut: readonly Range[]): Fill[] {
  const end = start + length
  let [low, high] = [0, cut.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (cut[middle]!.end <= start) low = middle + 1
    else high = middle
  }
  const parts: Fill[] = []
  let at = start
  for (let range = cut[low]; range && range.start < end; range = cut[++low]) {
    if (range.start > at) parts.push({ start: at, length: range.start - at, offset: offset + at - start })
    at = range.end
  }
  if (at < end) parts.push({ start: at, length: end - at, offset: offset + at - start })
  return parts
}
