import { epollParams } from "../../../ffi/abi/epoll.ts"
import type { task_kobj_ids_entry } from "../../../proto/gen/core_pb.ts"
import { fd_types, type fdinfo_entry, type file_entry } from "../../../proto/gen/fdinfo_pb.ts"
import type { stasis_file_entry } from "../../../proto/gen/stasis_pb.ts"
import type { tty_info_entry } from "../../../proto/gen/tty_pb.ts"
import { CheckpointError, damagedImage } from "../../base/errors.ts"
import { LIMIT, RLIM_INFINITY, readLimits } from "../../proc/limits.ts"
import { readSysctl } from "../../proc/sysctl.ts"
import { checkContents, faultOfBpfMap } from "./bpf-map/restore.ts"
import { missingTarget } from "./epoll/restore.ts"
import type { GivenFd } from "./external.ts"
import { givenChecks } from "./given-check.ts"
import { type FileImages, queuesOf } from "./images.ts"
import type { Checking } from "./keeping.ts"
import { checkQueue } from "./mqueue/restore.ts"
import { notifyChecks } from "./notify/check.ts"
import { checkNamespace } from "./nsfs/restore.ts"
import type { BpfMapData } from "./payloads.ts"
import { faultOf, isDeparted } from "./pidfd/restore.ts"
import { rowOfType } from "./registry.ts"
import { checkDeleted, checkRegular, findCuts } from "./regular/check.ts"
import type { FileRow } from "./row.ts"
import { checkInet, type InetOptions } from "./socket/inet/check.ts"
import { faultOfNetlink } from "./socket/netlink-sk/restore.ts"
import { checkPacket } from "./socket/packet-sk/check.ts"
import { unixChecks } from "./socket/unix/check.ts"
import type { FileStat } from "./stat.ts"
import { checkTty } from "./tty/check.ts"
import { checkTun } from "./tun/restore.ts"

/** What the restore has to offer. */
export interface FileCheckOptions extends Checking, InetOptions {
  /** Reads the build ID of a file. */
  readonly buildIdOf: (path: string, stat: FileStat) => number[]
  /** Ids of files that processes execute. */
  readonly executed?: ReadonlySet<number>
  readonly shellJob: boolean
  /** Whether stasis runs on a terminal that can be taken over. */
  readonly terminal: boolean
  /** Unix sockets may be connected to names outside the tree. */
  readonly extUnixSk?: boolean
  /** Ids of the namespaces that the tree is in. */
  readonly namespaces?: Partial<task_kobj_ids_entry>
  /** Descriptors of the tool that stand for open files, by file id: --inherit-fd. */
  readonly given?: ReadonlyMap<number, GivenFd>
}

const corrupt = (object: string, found: string): CheckpointError => damagedImage(`Cannot restore ${object}`, found)

const unsupported = (object: string, type: number): CheckpointError =>
  new CheckpointError(
    "E_IMAGE_UNSUPPORTED",
    `Cannot restore ${object}`,
    `it is of type ${fd_types[type] ?? type}, which is not supported yet`,
    "Restore this image with CRIU, or dump the program without it",
  )

/** The row that restores a descriptor. @throws CheckpointError E_IMAGE_UNSUPPORTED · E_IMAGE_CORRUPT */
function rowFor({ fd, id, type }: fdinfo_entry, files: FileImages["files"]): { row: FileRow; file: file_entry } {
  const file = files.get(id)
  if (!file) throw corrupt(`fd ${fd}`, `files.img has no file ${id}`)
  if (file.type !== type)
    throw corrupt(`fd ${fd}`, `it is of type ${fd_types[type] ?? type}, but file ${id} of type ${fd_types[file.type] ?? file.type}`)
  const row = rowOfType(type)
  if (row) return { row, file }
  throw unsupported(`fd ${fd}`, type)
}

/** A file in the queue of a socket. @throws CheckpointError E_IMAGE_UNSUPPORTED · E_IMAGE_CORRUPT */
function checkFlying(id: number, files: FileImages["files"]): void {
  const file = files.get(id)
  const object = `file ${id}, which is in flight through a socket`
  if (!file) throw corrupt(object, "files.img does not have it")
  const row = rowOfType(file.type)
  if (!row) throw unsupported(object, file.type)
  if (file.pidfd && !isDeparted(file))
    throw new CheckpointError(
      "E_IMAGE_UNSUPPORTED",
      `Cannot restore ${object}`,
      `it leads to process ${file.pidfd.nspid}, which does not exist when queues are filled`,
      "Dump the program again when it has received it",
    )
  const inner = row.facts(file, files).id
  if (inner !== id) throw corrupt(object, `it calls itself ${inner}`)
}

/** Largest descriptor number plus one that this machine allows. Documentation/admin-guide/sysctl/fs.rst */
const descriptorLimit = (): number => readSysctl("fs/nr_open", 0x100000)

/** Tells whether a process of ours can have a descriptor of a number. @returns a check that throws E_KERNEL, E_RESTORE */
function numberCheck(): (fd: number) => void {
  const limit = descriptorLimit()
  const own = readLimits(process.pid)[LIMIT.NOFILE]?.hard ?? RLIM_INFINITY
  return (fd) => {
    if (fd >= limit)
      throw new CheckpointError(
        "E_KERNEL",
        `Cannot restore fd ${fd}`,
        `fs.nr_open allows descriptors below ${limit}`,
        `Raise it: sysctl fs.nr_open=${fd + 1}`,
      )
    if (fd >= own)
      throw new CheckpointError(
        "E_RESTORE",
        `Cannot restore fd ${fd}`,
        `the hard limit of open files is ${own}`,
        `Raise it for stasis: ulimit -Hn ${fd + 1}`,
      )
  }
}

function* descriptorChecks({ fdinfos, files }: FileImages, checkNumber: (fd: number) => void): Generator<() => void> {
  const seen = new Set<number>()
  for (const info of fdinfos)
    yield () => {
      const { fd, id } = info
      if (seen.has(fd)) throw corrupt(`fd ${fd}`, "the image has it twice")
      seen.add(fd)
      checkNumber(fd)
      const { row, file } = rowFor(info, files)
      const inner = row.facts(file, files).id
      if (inner !== id) throw corrupt(`fd ${fd}`, `file ${id} calls itself ${inner}`)
    }
}

/** Some process that has an epoll open must have all that it watches, under the same numbers. */
function checkEpolls(tables: readonly FileImages[], files: FileImages["files"]): void {
  const found = new Map<number, number | undefined>()
  for (const { fdinfos } of tables) {
    const numbers = new Set(fdinfos.map(({ fd }) => fd))
    for (const { id } of fdinfos) {
      const epoll = files.get(id)?.epfd
      if (!epoll || (found.has(id) && found.get(id) === undefined)) continue
      found.set(
        id,
        missingTarget(epoll, (fd) => numbers.has(fd)),
      )
    }
  }
  for (const [id, target] of found)
    if (target !== undefined) throw corrupt(`epoll ${id} of files.img`, `it watches fd ${target}, which is not in the image`)
}

/** Numbers that files were added to an epoll under, and that lead elsewhere now. */
function checkAdded({ id, epoll }: stasis_file_entry, files: FileImages["files"], checkNumber: (fd: number) => void): void {
  const watched = files.get(id)?.epfd?.tfd ?? []
  const added = epoll?.added ?? []
  if (added.length > watched.length)
    throw corrupt(`epoll ${id} of files.img`, `it watches ${watched.length} files, ${added.length} of them elsewhere`)
  for (const number of added) checkNumber(number)
  const length = epoll?.busy_poll?.length ?? epollParams.size
  if (length !== epollParams.size) throw corrupt(`epoll ${id} of files.img`, `it has ${length} bytes of how it polls busily`)
}

/** What a file is held against. */
interface Scene {
  readonly images: FileImages
  readonly pids: ReadonlySet<number>
  readonly options: FileCheckOptions
  readonly infos: ReadonlyMap<number, tty_info_entry>
  /** Of BPF maps, by their IDs in the images. */
  readonly contents: ReadonlyMap<number, BpfMapData>
  readonly extension: ReadonlyMap<number, stasis_file_entry>
  /** Paths that stand for a terminal of another time: they are not opened. */
  readonly unopened: Set<number>
}

/** A file of a kind that has more to check than its path. @throws as `fileChecks` */
function checkBody(file: file_entry, { images, pids, options, infos, contents, extension, unopened }: Scene): void {
  const { id, tty, pidfd, nlsk, bpf, psk, isk, nsf, tunf } = file
  const expect = (what: string, fault: string | undefined): void => {
    if (fault !== undefined) throw corrupt(what, fault)
  }
  if (tty) {
    const isGiven = options.given?.has(id) ?? false
    const role = checkTty(tty, infos, images.files, { ...options, isGiven })
    if (role !== "named" && role !== "master" && tty.regf_id !== undefined) unopened.add(tty.regf_id)
  }
  if (pidfd) expect(`process descriptor ${id} of files.img`, faultOf(pidfd, pids))
  if (nlsk) expect(`netlink socket ${id} of files.img`, faultOfNetlink(nlsk))
  if (bpf) expect(`BPF map ${bpf.map_id} of files.img`, faultOfBpfMap(bpf, contents.get(bpf.map_id)))
  if (psk) checkPacket(psk, extension.get(id))
  if (isk) checkInet(isk, options, extension.get(id))
  if (nsf) checkNamespace(nsf, options.namespaces ?? {})
  if (tunf) checkTun(tunf)
}

/**
 * Checks of all that can be known of the files of a tree while nothing of it exists: that every path leads to a file like the one
 * that was open (mappings, executables and directories included), that every kind is supported, that the images fit together.
 *
 * @param tables one a process; what is not in `fdinfos` is the same in all of them
 * @param pids of the tree: their files in /proc are not there yet
 * @returns checks that throw E_FILE_CHANGED · E_IMAGE_UNSUPPORTED · E_IMAGE_CORRUPT · E_KERNEL fs.nr_open · E_USAGE, E_RESTORE terminals,
 *   sockets
 */
export function* fileChecks(tables: readonly FileImages[], pids: ReadonlySet<number>, options: FileCheckOptions): Generator<() => void> {
  const { extUnixSk = false, given = new Map<number, GivenFd>() } = options
  const [images] = tables
  if (!images) throw new Error("Unreachable: a tree without a process")
  const checkNumber = numberCheck()
  for (const table of tables) yield* descriptorChecks(table, checkNumber)
  const { files } = images
  yield () => checkEpolls(tables, files)
  const flying = images.skQueues.flatMap(({ message }) => message.scm.flatMap(({ rights }) => rights))
  for (const id of new Set(flying)) yield () => checkFlying(id, files)
  for (const facts of images.extension) if (facts.epoll) yield () => checkAdded(facts, files, checkNumber)
  const held = new Set(tables.flatMap(({ fdinfos }) => fdinfos.map((info) => info.id)))
  const used = new Set([...held, ...flying])
  yield* notifyChecks(held, new Set(flying), images)
  const scene: Scene = {
    images,
    pids,
    options,
    infos: new Map(images.ttyInfos.map((info) => [info.id, info])),
    contents: new Map(images.bpfMapsData.map((data) => [data.message.map_id, data])),
    extension: new Map(images.extension.map((facts) => [facts.id, facts])),
    unopened: new Set(),
  }
  yield () => checkContents(scene.contents.values())
  for (const file of files.values())
    if (file.type !== fd_types.REG && file.type !== fd_types.PIPE && used.has(file.id)) yield () => checkBody(file, scene)
  const made = new Set([...used].filter((id) => !given.has(id)))
  const renamed = new Map(images.extension.flatMap(({ id, socket_file: path }) => (path === undefined ? [] : [[id, path] as const])))
  yield* unixChecks(made, { files, skQueues: queuesOf(images.skQueues) }, renamed, extUnixSk)
  yield* givenChecks(used, images, given)
  const cuts = new Map([...findCuts(files, options)].map(([id, size]) => [files.get(id)?.reg?.name ?? "", size]))
  const queues = new Map(images.extension.flatMap(({ id, queue_inode: inode }) => (inode === undefined ? [] : [[id, inode] as const])))
  for (const { id, reg } of files.values()) {
    if (!reg || given.has(id) || images.departed.has(id) || (reg.ext && used.has(id))) continue
    const queue = queues.get(id)
    if (queue !== undefined) yield () => checkQueue(reg, queue)
    else if (images.ghosts.has(id)) yield () => checkDeleted(reg, options)
    else if (!scene.unopened.has(id)) yield () => checkRegular(reg, pids, { ...options, cuts })
  }
}

/** Does all of `fileChecks`. @throws CheckpointError the first refusal */
export function checkFiles(tables: readonly FileImages[], pids: ReadonlySet<number>, options: FileCheckOptions): void {
  for (const check of fileChecks(tables, pids, options)) check()
}
