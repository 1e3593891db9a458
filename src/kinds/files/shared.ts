import type { fdinfo_entry, file_entry } from "../../../proto/gen/fdinfo_pb.ts"
import type { Program } from "../../tracee/program.ts"
import { missingTarget } from "./epoll/restore.ts"
import type { FileImages } from "./images.ts"
import { beginRestoring, holdNumbers, openAt, type Reserved, rowOfType } from "./restore.ts"

/** Descriptors of one table, as the image has them. */
export interface Table {
  readonly pid: number
  readonly fdinfos: readonly fdinfo_entry[]
}

/** Files that several tables have open. */
export interface SharedFiles {
  /** In the order of their first descriptors. */
  readonly ids: readonly number[]
  /** The process that gives each its owner, and the like. */
  readonly finisher: ReadonlyMap<number, number>
}

/**
 * Finds the open files that no process can open for itself alone: those that several tables have, and every end of a pipe with ends in
 * several. The first process makes them, and all others inherit them.
 *
 * Precondition: `checkFiles` has passed.
 */
export function findShared(tables: readonly Table[], files: ReadonlyMap<number, file_entry>): SharedFiles {
  const users = new Map<string, { readonly ids: Set<number>; readonly tables: Set<Table> }>()
  for (const table of tables)
    for (const { id } of table.fdinfos) {
      const file = files.get(id)
      if (!file) throw new Error(`Unreachable: file ${id} was not checked`)
      const { ids, tables: holders } = users.getOrInsertComputed(rowOfType(file.type).object(file), () => ({
        ids: new Set(),
        tables: new Set(),
      }))
      ids.add(id)
      holders.add(table)
    }
  const ids = [...users.values()].flatMap(({ ids, tables: holders }) => (holders.size > 1 ? [...ids] : []))
  return { ids, finisher: new Map(ids.map((id) => [id, finisherOf(id, tables, files)])) }
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
 * @param numbers reserved descriptor of each file, by id
 * @param placeholder any open descriptor   @param terminals as for restoreDescriptors
 */
export function restoreShared(
  images: Omit<FileImages, "fdinfos">,
  numbers: ReadonlyMap<number, number>,
  placeholder: number,
  terminals: Reserved,
  program: Program,
): void {
  const fdinfos = [...numbers].map(([id, fd]): fdinfo_entry => ({ id, fd, flags: 0, type: images.files.get(id)?.type ?? 0 }))
  holdNumbers(numbers.values(), placeholder, program)
  const last: (() => void)[] = []
  const restoring = beginRestoring({ ...images, fdinfos }, program, terminals, false, (step) => last.push(step))
  for (const id of numbers.keys()) openAt(id, restoring)
  for (const step of last) step()
}
