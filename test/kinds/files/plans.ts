import { expect } from "bun:test"
import { allocate, syscall } from "../../../ffi/syscall.ts"
import { decode } from "../../../proto/decode.ts"
import { encode } from "../../../proto/encode.ts"
import { type fdinfo_entry, type file_entry, file_entrySchema } from "../../../proto/gen/fdinfo_pb.ts"
import type { fown_entry } from "../../../proto/gen/fown_pb.ts"
import type { stasis_file_entry } from "../../../proto/gen/stasis_pb.ts"
import { clockNow } from "../../../src/kinds/clocks/now.ts"
import type { Collecting, Found, OpenFile } from "../../../src/kinds/files/collecting.ts"
import type { FileImages } from "../../../src/kinds/files/images.ts"
import { type FileRestoreOptions, restoreDescriptors, startFiles } from "../../../src/kinds/files/restore.ts"
import { statDescriptor } from "../../../src/kinds/files/stat.ts"
import { readFdInfo } from "../../../src/proc/fdinfo.ts"
import { Program } from "../../../src/tracee/program.ts"

export const fown: fown_entry = { uid: 0, euid: 0, signum: 0, pid_type: 0, pid: 0 }

/** Images that say nothing of files beside their entries. */
export const NO_MORE: Omit<FileImages, "fdinfos" | "files"> = {
  pipesData: [],
  skQueues: [],
  fifoData: [],
  bpfMapsData: [],
  ttyInfos: [],
  ttyData: [],
  ghosts: new Map(),
  departed: new Map(),
  tcpStreams: new Map(),
  extension: [],
}

/** A process that makes all its files itself. Two descriptors are reserved, as much as a plan shows of them: 500 holds numbers. */
export const PLAIN_RESTORE: FileRestoreOptions = {
  reserved: new Set([500, 501]),
  placeholder: 500,
  made: {
    terminal: undefined,
    masters: new Map(),
    ghosts: new Map(),
    memfds: new Map(),
    executed: new Set(),
    given: new Map(),
    // Each clock shows as many thousand seconds as its number.
    clocks: { goOn: true, now: (clock) => BigInt(clock) * 1_000_000_000_000n },
  },
  self: { pid: 77, uid: 0, euid: 0, egid: 0 },
  inherited: new Map(),
  finishes: () => false,
  isBorn: () => true,
}

/** Images of files at these numbers, each file through its bytes. */
export function imagesOf(places: Readonly<Record<number, file_entry>>, more: Partial<FileImages> = {}): FileImages {
  const fdinfos = Object.entries(places).map(([fd, { id, type }]): fdinfo_entry => ({ fd: Number(fd), id, type, flags: 0 }))
  const files = [...new Set(Object.values(places))].map((file) => decode(file_entrySchema, encode(file_entrySchema, file)))
  expect(files).toEqual([...new Set(Object.values(places))])
  return { fdinfos, files: new Map(files.map((file) => [file.id, file])), ...NO_MORE, ...more }
}

/** The calls of a restore, in strace's notation: opening without placeholders, and what is done last. */
export function plansOf(
  images: FileImages,
  memfds: ReadonlyMap<number, number> = new Map(),
  executed: ReadonlySet<number> = new Set(),
): { open: string[]; start: string[] } {
  const [open, start] = [new Program(), new Program()]
  restoreDescriptors(images, open, { ...PLAIN_RESTORE, made: { ...PLAIN_RESTORE.made, memfds, executed } })
  startFiles(images, start, PLAIN_RESTORE)
  return { open: open.describe().slice(images.fdinfos.length), start: start.describe() }
}

const room = allocate(4096)

/** One of our own descriptors as a dump finds it. */
export function openFile(fd: number, more: Partial<Found> = {}): OpenFile {
  const info = readFdInfo(process.pid, fd)
  return { id: 7, pid: process.pid, fd, target: "", info, stat: statDescriptor(fd), flags: 2, cloexec: false, owner: fown, ...more }
}

/** Where a row puts what is not in its entry; descriptors are our own. */
export function ownCollecting(): Pick<Collecting, "copies" | "losses" | "clock"> & { extension: stasis_file_entry[] } {
  return { copies: { lend: (fd, use) => use(fd), [Symbol.dispose]: () => {} }, extension: [], losses: [], clock: clockNow }
}

/** Bytes at an address that the kernel may write to, and their address. */
export function given(bytes: Uint8Array): number {
  room.bytes.set(bytes)
  return room.address
}

/** 32 bits that the kernel has written there. */
export const taken = (at: number): number => room.view.getInt32(at, true)

export const close = (fd: number): void => void syscall("close", fd)
