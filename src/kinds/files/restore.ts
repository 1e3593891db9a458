import { F, F_OWNER, FD_CLOEXEC, fOwnerEx, O, SETTABLE } from "../../../ffi/abi/file.ts"
import { encode } from "../../../ffi/layout.ts"
import type { fdinfo_entry, file_entry } from "../../../proto/gen/fdinfo_pb.ts"
import type { fown_entry } from "../../../proto/gen/fown_pb.ts"
import type { Program } from "../../tracee/program.ts"
import { isShared, openGiven } from "./given.ts"
import { type FileImages, queuesOf, usersOf } from "./images.ts"
import { restoreOwner } from "./owner.ts"
import { rowOfType } from "./registry.ts"
import type { Restoring } from "./restoring.ts"
import type { FileRow } from "./row.ts"
import type { Self } from "./self.ts"

/** What the new process has when its files are opened. */
export interface FileRestoreOptions {
  /** Descriptors that are open already and stay: none of them is wanted by the image. */
  readonly reserved: ReadonlySet<number>
  /** One of them, of any kind: it holds wanted numbers until their files come. */
  readonly placeholder: number
  /** Some of them: the terminal that stasis runs on, masters of new pairs, memory, and deleted files. */
  readonly made: Reserved
  /** IDs of the process while the program runs. */
  readonly self: Self
  /** Reserved descriptors of files that were made before this process was born, by file id: see ./restore-shared.ts */
  readonly inherited: ReadonlyMap<number, number>
  /** Whether this process is the one that gives an inherited file its owner, and the like. */
  finishes(id: number): boolean
  /** Whether a task of this ID exists when the program runs. */
  isBorn(tid: number): boolean
}

/** The row that restores a file. Precondition: `checkFiles` has passed. */
export const checkedRow = ({ id, type }: file_entry): FileRow => {
  const row = rowOfType(type)
  if (!row) throw new Error(`Unreachable: file ${id} of type ${type} was not checked`)
  return row
}

/** True when an owner is a thread that exists only after the files. */
const isLate = ({ pid, pid_type }: fown_entry, isBorn: (tid: number) => boolean): boolean =>
  pid_type === F_OWNER.TID && pid !== 0 && !isBorn(pid)

const dupFlags = ({ flags }: fdinfo_entry): number => (flags & FD_CLOEXEC ? O.CLOEXEC : 0)

/** Reserved descriptors of what the tool has made or has open, and the tree's clocks. */
export type Reserved = Pick<Restoring, "terminal" | "masters" | "ghosts" | "memfds" | "executed" | "given" | "clocks">

/** What rows of one program share. */
export function beginRestoring(
  images: FileImages,
  program: Program,
  reserved: Reserved,
  process: Pick<Restoring, "isControlled" | "inherited" | "self" | "isBorn">,
  later: Restoring["later"],
): Restoring {
  return {
    program,
    files: images.files,
    users: usersOf(images.fdinfos),
    ...process,
    skQueues: queuesOf(images.skQueues),
    pipesData: new Map(images.pipesData.map((data) => [data.message.pipe_id, data])),
    fifoData: new Map(images.fifoData.map((data) => [data.message.pipe_id, data])),
    bpfMapsData: new Map(images.bpfMapsData.map((data) => [data.message.map_id, data])),
    ttyInfos: new Map(images.ttyInfos.map((info) => [info.id, info])),
    tcpStreams: images.tcpStreams,
    extension: new Map(images.extension.map((facts) => [facts.id, facts])),
    ...reserved,
    pipes: new Map(),
    sockets: new Map(),
    fifos: new Map(),
    bpfMaps: new Map(),
    configuredTtys: new Set(),
    later,
  }
}

const nobody = (program: Program) => program.bytes(encode(fOwnerEx, { type: F_OWNER.PID, pid: 0 }))

/** Appends the opening of one file and puts it at all its numbers. Flags that open(2) does not take are set afterwards. */
export function openAt(id: number, restoring: Restoring): void {
  const { program, files, users } = restoring
  const [first, ...more] = users.get(id) ?? []
  const file = files.get(id)
  if (!first || !file) throw new Error(`Unreachable: file ${id} was not checked`)
  const row = checkedRow(file)
  const { flags, fown } = row.facts(file, files)
  const given = restoring.given.get(id)
  const opened = given ? openGiven(file, given, restoring) : row.restore(file, restoring)
  for (const user of [first, ...more]) program.callWith({ about: `fd ${user.fd}` }, "dup3", opened, user.fd, dupFlags(user))
  program.call("close", opened)
  // What is shared with whoever gave it keeps that one's flags; a socket, which nobody gives to use it too, gets its own.
  const settable = flags & O.PATH || (given && isShared(given) && !file.usk) ? 0 : flags & SETTABLE
  const about = `the flags of fd ${first.fd}`
  const signsUp = (settable & O.ASYNC) !== 0
  if ((!row.named || signsUp) && settable !== 0) program.callWith({ about }, "fcntl", first.fd, F.SETFL, settable)
  // A terminal makes who signs up its owner; where it has none, the flag came with open(2), and nobody is to be signalled.
  if (row.named && signsUp && fown.pid === 0) program.callWith({ about }, "fcntl", first.fd, F.SETOWN_EX, nobody(program))
}

/** Appends a placeholder at every wanted number, so that what is opened lands on another one. */
export function holdNumbers(numbers: Iterable<number>, placeholder: number, program: Program): void {
  for (const fd of numbers) program.callWith({ about: `fd ${fd} (numbers are limited by RLIMIT_NOFILE)` }, "dup3", placeholder, fd, 0)
}

/**
 * Appends every descriptor at its number. Mirror: collectDescriptors of ./collect.ts
 *
 * Preconditions: `checkFiles` has passed; the soft RLIMIT_NOFILE is above every number and leaves some free; root, directory, credentials
 * and signal mask of the image are not yet set. Afterwards: `restoreThreadOwners`, and the reserved descriptors are the caller's to close.
 */
export function restoreDescriptors(images: FileImages, program: Program, options: FileRestoreOptions): void {
  const { reserved, placeholder, made, self, inherited, finishes, isBorn } = options
  const taken = images.fdinfos.find(({ fd }) => reserved.has(fd))
  if (taken) throw new Error(`Unreachable: fd ${taken.fd} is wanted and reserved`)
  holdNumbers(
    images.fdinfos.map(({ fd }) => fd),
    placeholder,
    program,
  )
  const last: (() => void)[] = []
  const finishing: (() => void)[] = []
  const restoring = beginRestoring(images, program, made, { isControlled: true, inherited, self, isBorn }, (step) => last.push(step))
  for (const [id, [first, ...more]] of restoring.users) {
    const file = images.files.get(id)
    const number = inherited.get(id)
    if (!first || !file) throw new Error(`Unreachable: file ${id} was not checked`)
    if (number === undefined) openAt(id, restoring)
    else for (const user of [first, ...more]) program.callWith({ about: `fd ${user.fd}` }, "dup3", number, user.fd, dupFlags(user))
    if (number !== undefined && !finishes(id)) continue
    const given = made.given.get(id)
    if (given && isShared(given)) continue
    const row = checkedRow(file)
    const { flags, fown } = row.facts(file, images.files)
    if (!(flags & O.PATH) && !isLate(fown, isBorn)) restoreOwner(first.fd, fown, self, program)
    finishing.push(() => row.finish(file, restoring, first.fd))
  }
  for (const step of [...last, ...finishing]) step()
}

/**
 * Appends what makes files go on by themselves, such as clocks. Does nothing for most. Precondition: among the last calls of the process.
 */
export function startFiles(
  { fdinfos, files, extension }: FileImages,
  program: Program,
  { inherited, finishes, made }: Pick<FileRestoreOptions, "inherited" | "finishes" | "made">,
): void {
  const starting = { program, clocks: made.clocks, extension: new Map(extension.map((facts) => [facts.id, facts])) }
  for (const [id, [first]] of usersOf(fdinfos)) {
    const file = files.get(id)
    if (first && file && (!inherited.has(id) || finishes(id))) checkedRow(file).start(file, starting, first.fd)
  }
}

/**
 * Appends owners that are threads. Does nothing for most programs.
 *
 * Preconditions: every thread of every process exists; the leader's credentials are not yet set.
 */
export function restoreThreadOwners(
  { fdinfos, files }: FileImages,
  program: Program,
  { self, inherited, finishes, isBorn, made }: Pick<FileRestoreOptions, "self" | "inherited" | "finishes" | "isBorn" | "made">,
): void {
  for (const [id, [first]] of usersOf(fdinfos)) {
    const file = files.get(id)
    const given = made.given.get(id)
    if (!first || !file || (inherited.has(id) && !finishes(id)) || (given && isShared(given))) continue
    const { flags, fown } = checkedRow(file).facts(file, files)
    if (!(flags & O.PATH) && isLate(fown, isBorn)) restoreOwner(first.fd, fown, self, program)
  }
}
