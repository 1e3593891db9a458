import { F, F_OWNER, O } from "../../../ffi/abi/file.ts"
import type { fdinfo_entry } from "../../../proto/gen/fdinfo_pb.ts"
import type { fown_entry } from "../../../proto/gen/fown_pb.ts"
import type { Program } from "../../tracee/program.ts"
import { type FileImages, usersOf } from "./images.ts"
import type { FileRow, Restoring } from "./kind.ts"
import { restoreOwner, type Self } from "./owner.ts"
import { fileKinds } from "./registry.ts"

const FD_CLOEXEC = 1
/** Flags that F_SETFL sets; the others belong to the moment of opening. Kernel: fs/fcntl.c setfl() */
const SETTABLE = O.APPEND | O.ASYNC | O.NONBLOCK | O.DIRECT | O.NOATIME

/** What the new process has when its files are opened. */
export interface RestoreOptions {
  readonly pid: number
  /** Descriptors that are open already and stay: none of them is wanted by the image. */
  readonly reserved: ReadonlySet<number>
  /** One of them, of any kind: it holds wanted numbers until their files come. */
  readonly placeholder: number
  /** One of them: the terminal that stasis runs on; undefined without one. */
  readonly terminal: number | undefined
  /** IDs of the process while the program runs. */
  readonly self: Self
}

const rowOfType = (type: number): FileRow => {
  const row = fileKinds.find((candidate) => candidate.type === type)
  if (!row) throw new Error(`Unreachable: files of type ${type} were not checked`)
  return row
}

/** True when an owner is a thread that exists only after the files: the leader runs the program, so it does. */
const isLate = ({ pid, pid_type }: fown_entry, leader: number): boolean => pid_type === F_OWNER.TID && pid !== 0 && pid !== leader

const dupFlags = ({ flags }: fdinfo_entry): number => (flags & FD_CLOEXEC ? O.CLOEXEC : 0)

/**
 * Appends every descriptor at its number. Mirror: collectDescriptors of ./collect.ts
 *
 * Every wanted number is taken by a duplicate of the placeholder first, so that what is opened lands on another one; then it is moved.
 *
 * Preconditions: `checkFiles` has passed; the soft RLIMIT_NOFILE is above every number and leaves some free; root, directory, credentials
 * and signal mask of the image are not yet set. Afterwards: `restoreThreadOwners`, and the reserved descriptors are the caller's to close.
 */
export function restoreDescriptors(images: FileImages, program: Program, options: RestoreOptions): void {
  const { fdinfos, files } = images
  const { reserved, placeholder, terminal, self, pid } = options
  const users = usersOf(fdinfos)
  for (const { fd } of fdinfos) {
    if (reserved.has(fd)) throw new Error(`Unreachable: fd ${fd} is wanted and reserved`)
    program.callWith({ about: `fd ${fd} (numbers are limited by RLIMIT_NOFILE)` }, "dup3", placeholder, fd, 0)
  }
  const last: (() => void)[] = []
  const restoring: Restoring = {
    program,
    files,
    users,
    pipesData: new Map(images.pipesData.map((data) => [data.message.pipe_id, data])),
    ttyInfos: new Map(images.ttyInfos.map((info) => [info.id, info])),
    extension: new Map(images.extension.map((facts) => [facts.id, facts])),
    terminal,
    pipes: new Map(),
    configuredTtys: new Set(),
    later: (step) => last.push(step),
  }
  for (const [id, descriptors] of users) {
    const [first] = descriptors
    const file = files.get(id)
    if (!first || !file) throw new Error(`Unreachable: file ${id} was not checked`)
    const row = rowOfType(file.type)
    const { flags, fown } = row.facts(file)
    const opened = row.restore(file, restoring)
    for (const user of descriptors) program.callWith({ about: `fd ${user.fd}` }, "dup3", opened, user.fd, dupFlags(user))
    program.call("close", opened)
    if (flags & O.PATH) continue
    if (!isLate(fown, pid)) restoreOwner(first.fd, fown, self, program)
    const settable = flags & SETTABLE
    if (!row.named && settable !== 0) program.callWith({ about: `the flags of fd ${first.fd}` }, "fcntl", first.fd, F.SETFL, settable)
  }
  for (const step of last) step()
}

/**
 * Appends owners that are threads. Does nothing for most programs.
 *
 * Preconditions: every thread exists; the leader's credentials are not yet set.
 */
export function restoreThreadOwners(
  { fdinfos, files }: FileImages,
  program: Program,
  { pid, self }: Pick<RestoreOptions, "pid" | "self">,
): void {
  for (const [id, [first]] of usersOf(fdinfos)) {
    const file = files.get(id)
    if (!first || !file) continue
    const { flags, fown } = rowOfType(file.type).facts(file)
    if (!(flags & O.PATH) && isLate(fown, pid)) restoreOwner(first.fd, fown, self, program)
  }
}
