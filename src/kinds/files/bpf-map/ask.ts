import {
  BPF,
  BPF_MAP_TYPE,
  BPF_NAME,
  bpfBatch,
  bpfElement,
  bpfGetId,
  bpfGetInfo,
  bpfMapInfo,
  bpfProgInfo,
} from "../../../../ffi/abi/bpf.ts"
import { decode, encodeInto } from "../../../../ffi/layout.ts"
import { allocate, attempt, errnoName, isFailure, SyscallError, syscall } from "../../../../ffi/syscall.ts"

const ROOM = 64 * 1024
const memory = allocate(ROOM)
/** Where in it arguments, answers, the place in a map, and lists stand. */
const [ARGUMENT, ANSWER, TOKEN, LIST] = [0, 256, 4096, 16384]
const MOST_MAPS = (ROOM - LIST) / 4

const call = (command: number, size: number): number => attempt("bpf", command, memory.address + ARGUMENT, size)
const mustCall = (command: number, size: number): number => syscall("bpf", command, memory.address + ARGUMENT, size)
const clear = (): void => void memory.bytes.fill(0, 0, TOKEN)

/** A name that stands at an offset of an answer. */
function nameAt(at: number): string {
  const bytes = memory.bytes.subarray(ANSWER + at, ANSWER + at + BPF_NAME)
  const end = bytes.indexOf(0)
  return Buffer.from(bytes.subarray(0, end < 0 ? BPF_NAME : end)).toString("latin1")
}

/** What the kernel tells of a map beside its fdinfo. */
interface MapInfo {
  readonly name: string
  /** Device that it was made for, 0 = none. */
  readonly ifindex: number
  /** It has types (BTF). */
  readonly typed: boolean
}

/** @param fd a map   @throws SyscallError */
export function askMap(fd: number): MapInfo {
  clear()
  encodeInto(bpfGetInfo, memory.bytes, { bpf_fd: fd, info_len: bpfMapInfo.size, info: memory.address + ANSWER }, ARGUMENT)
  mustCall(BPF.OBJ_GET_INFO_BY_FD, bpfGetInfo.size)
  const { ifindex, btf_id } = decode(bpfMapInfo, memory.bytes, ANSWER)
  return { name: nameAt(bpfMapInfo.fields.name[0]), ifindex, typed: btf_id !== 0 }
}

/** Opens a map or program by its ID. @returns a descriptor, or -errno */
function openById(command: number, id: number): number {
  clear()
  encodeInto(bpfGetId, memory.bytes, { id }, ARGUMENT)
  return call(command, bpfGetId.size)
}

/** Lends an open file of a map that may read, whatever the other may. @throws SyscallError EPERM without CAP_SYS_ADMIN */
export function lendReadable<T>(id: number, use: (fd: number) => T): T {
  const fd = openById(BPF.MAP_GET_FD_BY_ID, id)
  if (isFailure(fd)) throw new SyscallError("bpf", errnoName(-fd), [BPF.MAP_GET_FD_BY_ID, id])
  try {
    return use(fd)
  } finally {
    syscall("close", fd)
  }
}

/** IDs of the maps that a program uses. @param program a descriptor of it */
function mapsUsedBy(program: number): number[] {
  clear()
  encodeInto(bpfProgInfo, memory.bytes, { nr_map_ids: MOST_MAPS, map_ids: memory.address + LIST }, ANSWER)
  encodeInto(bpfGetInfo, memory.bytes, { bpf_fd: program, info_len: bpfProgInfo.size, info: memory.address + ANSWER }, ARGUMENT)
  if (isFailure(call(BPF.OBJ_GET_INFO_BY_FD, bpfGetInfo.size))) return []
  const count = Math.min(decode(bpfProgInfo, memory.bytes, ANSWER).nr_map_ids, MOST_MAPS)
  return Array.from({ length: count }, (_, index) => memory.view.getUint32(LIST + 4 * index, true))
}

/** A program that is loaded. */
export interface LoadedProgram {
  readonly id: number
  readonly name: string
}

/** A loaded program for each map that one uses, by the map's ID; none without CAP_SYS_ADMIN, which alone may look. One pass. */
export function findUsedBpfMaps(): ReadonlyMap<number, LoadedProgram> {
  const used = new Map<number, LoadedProgram>()
  for (let id = 0; ; ) {
    clear()
    encodeInto(bpfGetId, memory.bytes, { id }, ARGUMENT)
    if (isFailure(call(BPF.PROG_GET_NEXT_ID, bpfGetId.size))) return used
    id = decode(bpfGetId, memory.bytes, ARGUMENT).next_id
    const fd = openById(BPF.PROG_GET_FD_BY_ID, id)
    // It was unloaded meanwhile.
    if (isFailure(fd)) continue
    for (const map of mapsUsedBy(fd)) used.set(map, { id, name: nameAt(bpfProgInfo.fields.name[0]) })
    syscall("close", fd)
  }
}

/** Sizes of a map, bytes; and how many entries it has room for. */
interface MapShape {
  readonly keySize: number
  readonly valueSize: number
  readonly most: number
}

/** Types of maps whose content is entries that are theirs alone: those that are kept. */
export const KEPT_TYPES: ReadonlySet<number> = new Set([BPF_MAP_TYPE.HASH, BPF_MAP_TYPE.ARRAY])

/** Most bytes that all maps of a tree may hold together: a restore's programs carry them. */
export const MOST_CONTENT = 2 ** 28

/** Keys and values one after another, each list whole. */
interface MapEntries {
  readonly keys: Uint8Array
  readonly values: Uint8Array
  readonly count: number
}

/** Bytes that are read at once. */
const PART = 1 << 20
let entries = allocate(4096)

/** Makes room for so many bytes of entries. */
function makeRoom(bytes: number): void {
  if (bytes > entries.bytes.length) entries = allocate(bytes)
}

/** A kernel or a map that reads no batches. Kernel: kernel/bpf/syscall.c bpf_map_do_batch(), which answers ENOTSUPP (524) */
const NO_BATCHES: ReadonlySet<string> = new Set(["EINVAL", "errno 524"])

/** Everything in a map, by batches, or one by one where there are none (before Linux 5.6). @throws SyscallError EPERM it may not be read */
export function readEntries(fd: number, shape: MapShape): MapEntries {
  const keys: Uint8Array[] = []
  const values: Uint8Array[] = []
  const take = (key: Uint8Array, value: Uint8Array): void => {
    keys.push(key.slice())
    values.push(value.slice())
  }
  if (!readBatches(fd, shape, take)) readOneByOne(fd, shape, take)
  const [allKeys, allValues] = [keys, values].map((parts) => new Uint8Array(Buffer.concat(parts))) as [Uint8Array, Uint8Array]
  return { keys: allKeys, values: allValues, count: allKeys.length / shape.keySize }
}

type Take = (key: Uint8Array, value: Uint8Array) => void

/** @returns false where there are no batches */
function readBatches(fd: number, { keySize, valueSize, most }: MapShape, take: Take): boolean {
  let at = Math.max(1, Math.min(most, Math.floor(PART / (keySize + valueSize))))
  makeRoom(at * (keySize + valueSize))
  for (let isFirst = true; ; ) {
    clear()
    const token = memory.address + TOKEN
    const place = { keys: entries.address, values: entries.address + at * keySize, count: at, map_fd: fd }
    encodeInto(bpfBatch, memory.bytes, { in_batch: isFirst ? 0 : token, out_batch: token, ...place }, ARGUMENT)
    const answer = call(BPF.MAP_LOOKUP_BATCH, bpfBatch.size)
    const errno = isFailure(answer) ? errnoName(-answer) : undefined
    if (isFirst && errno !== undefined && NO_BATCHES.has(errno)) return false
    if (errno === "ENOSPC") {
      // More stand in one place of the hash than there is room for.
      at *= 4
      makeRoom(at * (keySize + valueSize))
      continue
    }
    if (errno !== undefined && errno !== "ENOENT") throw new SyscallError("bpf", errno as SyscallError["errno"], [BPF.MAP_LOOKUP_BATCH, fd])
    const { count } = decode(bpfBatch, memory.bytes, ARGUMENT)
    take(entries.bytes.subarray(0, count * keySize), entries.bytes.subarray(at * keySize, at * keySize + count * valueSize))
    if (errno === "ENOENT") return true
    isFirst = false
  }
}

/** Everything in a map, one entry after the other. */
export function readOneByOne(fd: number, { keySize, valueSize, most }: MapShape, take: Take): void {
  makeRoom(2 * keySize + valueSize)
  const [key, value] = [entries.address, entries.address + 2 * keySize]
  for (let count = 0; count < most; count++) {
    clear()
    encodeInto(bpfElement, memory.bytes, { map_fd: fd, key: count === 0 ? 0 : key, value: key + keySize }, ARGUMENT)
    const next = call(BPF.MAP_GET_NEXT_KEY, bpfElement.size)
    if (isFailure(next) && errnoName(-next) === "ENOENT") return
    if (isFailure(next)) throw new SyscallError("bpf", errnoName(-next), [BPF.MAP_GET_NEXT_KEY, fd])
    entries.bytes.copyWithin(0, keySize, 2 * keySize)
    encodeInto(bpfElement, memory.bytes, { map_fd: fd, key, value }, ARGUMENT)
    mustCall(BPF.MAP_LOOKUP_ELEM, bpfElement.size)
    take(entries.bytes.subarray(0, keySize), entries.bytes.subarray(2 * keySize, 2 * keySize + valueSize))
  }
}
