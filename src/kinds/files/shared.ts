import type { fdinfo_entry, file_entry } from "../../../proto/gen/fdinfo_pb.ts"
import type { Program } from "../../tracee/program.ts"
import { missingTarget } from "./epoll/restore.ts"
import type { FileImages } from "./images.ts"
import type { Linked, Self } from "./kind.ts"
import { beginRestoring, holdNumbers, openAt, rowOfType, type Terminals } from "./restore.ts"

/** Descriptors of one table, as the image has them. */
export interface Table {
  readonly pid: number
  readonly fdinfos: readonly fdinfo_entry[]
}

/** Files that several tables have open. */
export interface SharedFiles {
  /** In the order of their first descriptors. */
  readonly ids: readonly number[]
  /** The process that gives each its owner, and the like; none for what is in flight alone. */
  readonly finisher: ReadonlyMap<number, number>
}

/**
 * Finds the open files that no process can open for itself alone: those that several tables have, and every end of a pipe with ends in
 * several, and what is in flight. The first process makes them, and all others inherit them.
 *
 * Precondition: `checkFiles` has passed.
 */
export function findShared(tables: readonly Table[], images: Linked): SharedFiles {
  const holders = new Map<number, Set<Table>>()
  for (const table of tables) for (const { id } of table.fdinfos) holders.getOrInsertComputed(id, () => new Set()).add(table)
  const ids = groupLinked([...holders.keys()], images).flatMap((group) => {
    const all = new Set(group.flatMap((id) => [...(holders.get(id) ?? [])]))
    // What is in flight belongs to no table.
    return all.size > 1 || group.some((id) => !holders.has(id)) ? group : []
  })
  return { ids, finisher: new Map(ids.flatMap((id) => (holders.has(id) ? [[id, finisherOf(id, tables, images.files)] as const] : []))) }
}

/** Groups files that one program must make together, with those that only such files lead to. In the order in which each comes first. */
function groupLinked(ids: readonly number[], images: Linked): number[][] {
  const above = new Map<number, number>()
  const topOf = (id: number): number => {
    let at = id
    for (let next = above.get(at) ?? at; next !== at; next = above.get(at) ?? at) {
      above.set(at, above.get(next) ?? next)
      at = next
    }
    return at
  }
  const firstOf = new Map<string, number>()
  const seen = new Set<number>()
  const waiting = [...ids]
  for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
    if (seen.has(id)) continue
    seen.add(id)
    const file = images.files.get(id)
    if (!file) throw new Error(`Unreachable: file ${id} was not checked`)
    const row = rowOfType(file.type)
    const links = row.links(file, images)
    waiting.push(...links)
    for (const link of [firstOf.getOrInsert(row.object(file), id), ...links])
      if (topOf(link) !== topOf(id)) above.set(topOf(id), topOf(link))
  }
  return [...Map.groupBy(seen, topOf).values()]
}

/** The first process that has a file and, for an epoll, all that it watches. */
function finisherOf(id: number, tables: readonly Table[], files: ReadonlyMap<number, file_entry>): number {
  const holders = tables.filter(({ fdinfos }) => fdinfos.some((info) => info.id === id))
  const epoll = files.get(id)?.epfd
  const isAble = ({ fdinfos }: Table): boolean =>
    !epoll || missingTarget(epoll, (fd) => fdinfos.some((info) => info.fd === fd)) === undefined
  const holder = holders.find(isAble) ?? holders[0]
  if (!holder) throw new Error(`Unreachable: file ${id} has no descriptor`)
  return holder.pid
}

/**
 * Appends the making of shared files, each at a reserved number, to the program of the process that all others descend from.
 *
 * @param numbers reserved descriptor of each file, by id   @param finisher see SharedFiles
 * @param placeholder any open descriptor   @param terminals, self as for restoreDescriptors
 */
export function restoreShared(
  images: Omit<FileImages, "fdinfos">,
  numbers: ReadonlyMap<number, number>,
  finisher: SharedFiles["finisher"],
  placeholder: number,
  terminals: Terminals,
  self: Self,
  program: Program,
): void {
  const fdinfos = [...numbers].map(([id, fd]): fdinfo_entry => ({ id, fd, flags: 0, type: images.files.get(id)?.type ?? 0 }))
  holdNumbers(numbers.values(), placeholder, program)
  const maker = { isControlled: false, inherited: new Map(), self, isBorn: (tid: number) => tid === self.pid }
  const last: (() => void)[] = []
  const restoring = beginRestoring({ ...images, fdinfos }, program, terminals, maker, (step) => last.push(step))
  for (const id of numbers.keys()) openAt(id, restoring)
  for (const step of last) step()
  for (const [id, number] of numbers) {
    const file = images.files.get(id)
    if (file && !finisher.has(id)) rowOfType(file.type).finish(file, restoring, number)
  }
}
