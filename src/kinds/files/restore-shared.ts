import type { fdinfo_entry, file_entry } from "../../../proto/gen/fdinfo_pb.ts"
import { TtyType } from "../../../proto/gen/tty_pb.ts"
import { Program } from "../../tracee/program.ts"
import { missingTarget } from "./epoll/restore.ts"
import type { FileImages } from "./images.ts"
import { type Leading, madeLater } from "./living.ts"
import { isDeparted, takeDescriptors } from "./pidfd/restore.ts"
import { beginRestoring, checkedRow, holdNumbers, openAt, type Reserved } from "./restore.ts"
import type { Linked, Restoring } from "./restoring.ts"
import type { Self } from "./self.ts"
import { masterOfSession } from "./tty/driver.ts"
import { inheritedTerminal } from "./tty/restore.ts"

/** Descriptors of one table, as the image has them. */
interface Table {
  readonly pid: number
  readonly fdinfos: readonly fdinfo_entry[]
}

/** Files that several tables have open. */
interface SharedFiles {
  /** In the order of their first descriptors. */
  readonly ids: readonly number[]
  /** The process that gives each its owner, and the like; none for what is in flight alone. */
  readonly finisher: ReadonlyMap<number, number>
}

/** True for a file that leads to a process which had ended, or is in /proc about one: it is made before the tree is. */
const isMadeBefore = (id: number, { files, departed }: Pick<FileImages, "files" | "departed">): boolean =>
  departed.has(id) || isDeparted(files.get(id))

/**
 * Finds the open files that no process can open for itself alone: those that several tables have, and every end of a pipe with ends in
 * several, and what is in flight. The first process makes them, and all others inherit them.
 *
 * Precondition: `checkFiles` has passed.
 */
export function findShared(tables: readonly Table[], images: Linked & Pick<FileImages, "extension" | "departed">): SharedFiles {
  // Most trees are one process: nobody is there to share with, and mostly nothing is in flight or leads to who has departed.
  const isOwn = tables.length === 1 && images.skQueues.size === 0 && !tables[0]?.fdinfos.some(({ id }) => isMadeBefore(id, images))
  if (isOwn) return { ids: [], finisher: new Map() }
  const holders = new Map<number, Set<Table>>()
  for (const table of tables) for (const { id } of table.fdinfos) holders.getOrInsertComputed(id, () => new Set()).add(table)
  const ids = groupLinked([...holders.keys()], images).flatMap((group) => {
    const all = new Set(group.flatMap((id) => [...(holders.get(id) ?? [])]))
    // What is in flight belongs to no table, and who has departed was there before the tree.
    return all.size > 1 || group.some((id) => !holders.has(id) || isMadeBefore(id, images)) ? group : []
  })
  const numbersOf = new Map(images.extension.flatMap(({ id, epoll }) => (epoll ? [[id, epoll.process] as const] : [])))
  const finisher = (id: number): number => finisherOf(id, tables, images.files, numbersOf.get(id))
  return { ids, finisher: new Map(ids.flatMap((id) => (holders.has(id) ? [[id, finisher(id)] as const] : []))) }
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
    const row = checkedRow(file)
    const links = row.links(file, images)
    waiting.push(...links)
    for (const link of [firstOf.getOrInsert(row.object(file), id), ...links])
      if (topOf(link) !== topOf(id)) above.set(topOf(id), topOf(link))
  }
  return [...Map.groupBy(seen, topOf).values()]
}

/**
 * The first process that has a file and, for an epoll, all that it watches.
 *
 * @param known process that an epoll's numbers are of, where that is known
 */
function finisherOf(id: number, tables: readonly Table[], files: ReadonlyMap<number, file_entry>, known?: number): number {
  const holders = tables.filter(({ fdinfos }) => fdinfos.some((info) => info.id === id))
  const epoll = files.get(id)?.epfd
  const isAble = ({ fdinfos }: Table): boolean =>
    !epoll || missingTarget(epoll, (fd) => fdinfos.some((info) => info.fd === fd)) === undefined
  const holder = holders.find(({ pid }) => pid === known) ?? holders.find(isAble) ?? holders[0]
  if (!holder) throw new Error(`Unreachable: file ${id} has no descriptor`)
  return holder.pid
}

/** A process as far as terminals control it. */
interface SessionTable extends Table {
  readonly sid: number
}

/**
 * Shared files that are open as /dev/tty: that can be opened only where a terminal controls the process, so the leader of their session
 * makes them, and those inherit them who are born later, as everybody in its session is. A shell's job, whose leader is outside, is
 * controlled from its birth on.
 *
 * @returns the session by file id; left out are those that another session has too
 */
export function findControlled(members: readonly SessionTable[], ids: readonly number[], images: Pick<FileImages, "files" | "ttyInfos">) {
  const infos = new Map(images.ttyInfos.map((info) => [info.id, info]))
  const taken = inheritedTerminal(images.ttyInfos)?.sid
  const isLedInside = (sid: number): boolean => sid === taken && members.some(({ pid }) => pid === sid)
  const isCurrent = (id: number): boolean => infos.get(images.files.get(id)?.tty?.tty_info_id ?? 0)?.type === TtyType.CTTY
  return new Map(
    ids.filter(isCurrent).flatMap((id): [number, number][] => {
      const sids = new Set(members.filter(({ fdinfos }) => fdinfos.some((info) => info.id === id)).map(({ sid }) => sid))
      const [sid = 0] = sids
      return sids.size === 1 && (masterOfSession(sid, infos) || isLedInside(sid)) ? [[id, sid]] : []
    }),
  )
}

/** Appends the opening of files, each at a reserved number. */
function openShared(
  images: Omit<FileImages, "fdinfos">,
  numbers: readonly (readonly [id: number, fd: number])[],
  made: Reserved,
  self: Self,
  isControlled: boolean,
  program: Program,
): Restoring {
  const fdinfos = numbers.map(([id, fd]): fdinfo_entry => ({ id, fd, flags: 0, type: images.files.get(id)?.type ?? 0 }))
  const maker = { isControlled, inherited: new Map(), self, isBorn: (tid: number) => tid === self.pid }
  const last: (() => void)[] = []
  const restoring = beginRestoring({ ...images, fdinfos }, program, made, maker, (step) => last.push(step))
  for (const [id] of numbers) openAt(id, restoring)
  for (const step of last) step()
  return restoring
}

/** Shared files, and the session of those that its leader makes. */
export interface SharedNumbers extends Leading {
  readonly controlled: ReadonlyMap<number, number>
}

/**
 * Appends the making of shared files, each at a reserved number, to the program of the process that all others descend from.
 *
 * @param placeholder any open descriptor   @param made, self as for restoreDescriptors
 */
export function restoreShared(
  images: Omit<FileImages, "fdinfos">,
  numbers: SharedNumbers,
  placeholder: number,
  made: Reserved,
  self: Self,
  program: Program,
): void {
  const { shared, controlled, finisher } = numbers
  const later = new Map(madeLater(numbers, images, self.pid))
  holdNumbers(
    [...shared].filter(([id]) => !isMadeBefore(id, images)).map(([, number]) => number),
    placeholder,
    program,
  )
  const own = [...shared].filter(([id]) => !controlled.has(id) && !later.has(id) && !isMadeBefore(id, images))
  const restoring = openShared(images, own, made, self, false, program)
  for (const [id, number] of own) {
    const file = images.files.get(id)
    if (file && !finisher.has(id) && !made.given.has(id)) checkedRow(file).finish(file, restoring, number)
  }
}

/** The making of shared files that lead to processes, for the root to run. Precondition: every process is born. */
export function makeLater(images: Omit<FileImages, "fdinfos">, numbers: Leading, made: Reserved, self: Self): Program {
  const program = new Program()
  openShared(images, madeLater(numbers, images, self.pid), made, self, false, program)
  return program
}

/** What brings them from the root into another process. Precondition: `makeLater` has run. */
export function inheritLater(images: Omit<FileImages, "fdinfos">, numbers: Leading, root: number): Program {
  const program = new Program()
  const made = madeLater(numbers, images, root).map(([, number]) => number)
  takeDescriptors(root, made, program)
  return program
}

/** A terminal is made of no other files, and of no times. */
const NO_MORE = {
  ghosts: new Map(),
  memfds: new Map(),
  executed: new Set<number>(),
  given: new Map(),
  clocks: { goOn: false, now: () => 0n },
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
  terminals: Pick<Reserved, "terminal" | "masters">,
  program: Program,
): void {
  // A terminal is nobody's.
  const self = { pid: sid, uid: 0, euid: 0, egid: 0 }
  const own = [...shared].filter(([id]) => controlled.get(id) === sid)
  if (own.length > 0) openShared(images, own, { ...terminals, ...NO_MORE }, self, true, program)
}
