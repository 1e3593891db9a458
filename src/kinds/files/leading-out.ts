import { S_IF } from "../../../ffi/abi/file.ts"
import type { Refusal } from "../../base/errors.ts"
import { DELETED } from "../../proc/text.ts"
import { bpfMapId, isBpfMap } from "./bpf-map/collect.ts"
import type { FileOptions, Found } from "./collecting.ts"
import { deviceResource, fileResource, pipeResource, socketResource, terminalResource } from "./external.ts"
import type { JudgedFile } from "./judge.ts"
import { leadsTo } from "./name.ts"
import type { Outsiders } from "./outsiders.ts"
import { isNameless } from "./overlay.ts"
import { pipeInode } from "./pipe/ends.ts"
import { isInet } from "./socket/inet/survey.ts"
import { inodeOf, isExternalUnix, isUnix, socketInode } from "./socket/unix/scene.ts"
import type { UnixScene } from "./socket/unix/view.ts"
import { inodeKey, kindOf } from "./stat.ts"

/** An open file that leads out of the tree and is kept. */
export interface OutsideFile {
  /** As --inherit-fd wants it. */
  readonly resource: string
  /** Its descriptors: "task 7 fd 1, 2". */
  readonly where: string
  /** Task outside that has it, or its other end; undefined where nobody was found. */
  readonly holder: number | undefined
  /** A restore is refused without it. */
  readonly needed: boolean
}

/** What running processes have open. */
export interface OpenFiles {
  /** Descriptors by process. */
  readonly descriptors: ReadonlyMap<number, number>
  /** Open files by the name of their kind, each counted once however many descriptors lead to it. */
  readonly kinds: ReadonlyMap<string, number>
  /** What a dump could not keep. */
  readonly refusals: readonly Refusal[]
  /** What others must give to a restore, or may. */
  readonly outside: readonly OutsideFile[]
  /** What is worth knowing of it, and no refusal: sentences without a capital. */
  readonly notes: readonly string[]
  /** What a dump would lose as things stand, and says so when it does. */
  readonly losses: readonly string[]
}

/** What leads out of the tree: pipes with their other end outside, and what --external names. One entry a resource and process. */
export function findLeadingOut(
  judged: readonly JudgedFile[],
  { pipes, sockets }: Outsiders,
  options: Pick<FileOptions, "externals" | "externalUnix">,
): OutsideFile[] {
  const { externals = [] } = options
  const found = judged.flatMap(({ by, reason, shared }) => {
    if (reason) return []
    const pipe = pipeInode(by.target)
    const socket = socketInode(by.target)
    const named = [fileResource(by), terminalResource(by)].find((name) => externals.includes(name))
    const holder = pipe !== undefined ? pipes.get(pipe) : socket !== undefined ? sockets.get(socket) : undefined
    const resource =
      pipe !== undefined && holder !== undefined
        ? pipeResource(pipe)
        : socket !== undefined && isExternalUnix(Number(socket), options)
          ? socketResource(socket)
          : named
    return resource === undefined ? [] : shared.map(({ pid, fd }) => ({ resource, holder, pid, fd, needed: socket === undefined }))
  })
  return [...Map.groupBy(found, ({ resource, pid }) => `${resource} ${pid}`).values()].flatMap((group) => {
    const [first] = group
    if (!first) return []
    const { resource, holder, needed, pid } = first
    return [{ resource, holder, needed, where: `task ${pid} fd ${group.map(({ fd }) => fd).join(", ")}` }]
  })
}

/** Words of --external that name nothing which is open; inodes of -x as words of --external. */
function findStrays(
  judged: readonly Pick<JudgedFile, "by">[],
  { externals = [], externalUnix = [] }: Pick<FileOptions, "externals" | "externalUnix">,
): string[] {
  const names = new Set(judged.flatMap(({ by }) => [fileResource(by), terminalResource(by), deviceResource(by)]))
  const sockets = new Set(judged.flatMap(({ by }) => socketInode(by.target) ?? []))
  const unknown = externalUnix === "all" ? [] : externalUnix.filter((inode) => !sockets.has(BigInt(inode)))
  // What follows the name of a device is the restore's.
  return [...externals.filter((one) => !names.has(one.replace(/\]:.*$/, "]"))), ...unknown.map((inode) => `unix[${inode}]`)]
}

/** A file that no name leads to any more; a memory file never had one. */
function isDeleted({ pid, fd, target, stat }: Found): boolean {
  if (!target.startsWith("/") || (stat.nlink > 0 && (!target.endsWith(DELETED) || leadsTo(target, stat)))) return false
  return isNameless(`/proc/${pid}/fd/${fd}`, target, stat)
}

/** What is kept as a deleted file, although it may have another name. */
function noteOnNames(by: Found): string[] {
  if (by.stat.nlink === 0 || kindOf(by.stat.mode) === S_IF.DIR || !isDeleted(by)) return []
  const what = `task ${by.pid} fd ${by.fd} is "${by.target}", of which overlayfs does not tell whether it has another name`
  return [`${what}: a restored program has a copy of its own`]
}

/** A unix socket without a name, whose other end is in the tree too: a restore makes both anew, and nobody outside has one of them. */
function isOwnPair(by: Found, { sockets, inside }: Pick<UnixScene, "sockets" | "inside">): boolean {
  const socket = isUnix(by) ? sockets.get(inodeOf(by)) : undefined
  return socket !== undefined && socket.name.length === 0 && inside.has(socket.peer)
}

/** A socket of the internet, or a unix socket with a name: two cannot have one address. */
const hasAddress = (by: Found, { sockets }: Pick<UnixScene, "sockets">): boolean =>
  isInet(by) || (isUnix(by) && (sockets.get(inodeOf(by))?.name.length ?? 0) > 0)

/** An address that somebody outside keeps taken, as who hands a listening socket to the service that he starts. */
function noteOnAddress(by: Found, { sockets }: Pick<Outsiders, "sockets">, unix: Pick<UnixScene, "sockets">): string[] {
  const holder = hasAddress(by, unix) ? sockets.get(by.stat.ino) : undefined
  if (holder === undefined) return []
  return [`task ${by.pid} fd ${by.fd} is ${by.target}, which task ${holder} has open too: while he has, a restore cannot have its address`]
}

/** Words of --external that are of no use, and addresses, ends of pairs, deleted files and BPF maps that somebody outside has open too. */
export function notesOn(
  judged: readonly Pick<JudgedFile, "by">[],
  { files, bpfMaps, sockets }: Pick<Outsiders, "files" | "bpfMaps" | "sockets">,
  options: Pick<FileOptions, "externals" | "externalUnix">,
  unix: Pick<UnixScene, "sockets" | "inside">,
): string[] {
  const shared = (by: Found, name: string, holder: number | undefined, own: string): string[] =>
    holder === undefined
      ? []
      : [`task ${by.pid} fd ${by.fd} is ${name}, which task ${holder} has open too: a restored program has ${own} of its own`]
  return [
    ...findStrays(judged, options).map((word) => `--external ${word} is not used: nothing that is open has this name`),
    ...judged.flatMap(({ by }) => (isDeleted(by) ? shared(by, `"${by.target}"`, files.get(inodeKey(by.stat)), "a copy") : [])),
    ...judged.flatMap(({ by }) => noteOnNames(by)),
    ...judged.flatMap(({ by }) => noteOnAddress(by, { sockets }, unix)),
    ...judged.flatMap(({ by }) => (isOwnPair(by, unix) ? shared(by, by.target, sockets.get(by.stat.ino), "one") : [])),
    ...judged.flatMap(({ by }) => (isBpfMap(by) ? shared(by, `BPF map ${bpfMapId(by)}`, bpfMaps.get(bpfMapId(by)), "one") : [])),
  ]
}
