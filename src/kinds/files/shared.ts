import type { fdinfo_entry, file_entry } from "../../../proto/gen/fdinfo_pb.ts"
import { TtyType } from "../../../proto/gen/tty_pb.ts"
import type { Program } from "../../tracee/program.ts"
import { missingTarget } from "./epoll/restore.ts"
import type { FileImages } from "./images.ts"

import { beginRestoring, holdNumbers, openAt, type Reserved, rowOfType } from "./restore.ts"
import { masterOfSession } from "./tty/driver.ts"

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

/** A process as far as terminals control it. */
export interface Member extends Table {
  readonly sid: number
}

/**
 * Shared files that are open as /dev/tty: that can be opened only where a terminal controls the process, so the leader of their session
 * makes them, and those inherit them who are born later, as everybody in its session is.
 *
 * @returns the session by file id; left out are those that another session has too
 */
export function findControlled(members: readonly Member[], ids: readonly number[], images: Pick<FileImages, "files" | "ttyInfos">) {
  const infos = new Map(images.ttyInfos.map((info) => [info.id, info]))
  const isCurrent = (id: number): boolean => infos.get(images.files.get(id)?.tty?.tty_info_id ?? 0)?.type === TtyType.CTTY
  return new Map(
    ids.filter(isCurrent).flatMap((id): [number, number][] => {
      const sids = new Set(members.filter(({ fdinfos }) => fdinfos.some((info) => info.id === id)).map(({ sid }) => sid))
      const [sid = 0] = sids
      return sids.size === 1 && masterOfSession(sid, infos) ? [[id, sid]] : []
    }),
  )
}

/** Appends the opening of files, each at a reserved number. */
function openShared(
  images: Omit<FileImages, "fdinfos">,
  numbers: readonly (readonly [id: number, fd: number])[],
  made: Reserved,
  isControlled: boolean,
  program: Program,
): void {
  const fdinfos = numbers.map(([id, fd]): fdinfo_entry => ({ id, fd, flags: 0, type: images.files.get(id)?.type ?? 0 }))
  const last: (() => void)[] = []
  const restoring = beginRestoring({ ...images, fdinfos }, program, made, isControlled, (step) => last.push(step))
  for (const [id] of numbers) openAt(id, restoring)
  for (const step of last) step()
}

/** Reserved descriptors of shared files, by id; and the session of those that its leader makes. */
export interface SharedNumbers {
  readonly shared: ReadonlyMap<number, number>
  readonly controlled: ReadonlyMap<number, number>
}

/**
 * Appends the making of shared files, each at a reserved number, to the program of the process that all others descend from.
 *
 * @param placeholder any open descriptor   @param made as for restoreDescriptors
 */
export function restoreShared(
  images: Omit<FileImages, "fdinfos">,
  { shared, controlled }: SharedNumbers,
  placeholder: number,
  made: Reserved,
  program: Program,
): void {
  holdNumbers(shared.values(), placeholder, program)
  const own = [...shared].filter(([id]) => !controlled.has(id))
  openShared(images, own, made, false, program)
}

/**
 * Appends the making of what the leader of a session shares as /dev/tty: see `findControlled`.
 *
 * Preconditions: `restoreShared` has run in an ancestor, `restoreControl` in this process; it has no child yet.
 */
export function restoreControlled(
  sid: number,
  images: Omit<FileImages, "fdinfos">,
  { shared, controlled }: SharedNumbers,
  made: Reserved,
  program: Program,
): void {
  const own = [...shared].filter(([id]) => controlled.get(id) === sid)
  if (own.length > 0) openShared(images, own, made, true, program)
}
