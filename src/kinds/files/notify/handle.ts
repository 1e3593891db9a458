import { AT, O } from "../../../../ffi/abi/file.ts"
import { AT_HANDLE_FID, fileHandle, MAX_HANDLE_SZ } from "../../../../ffi/abi/notify.ts"
import { closeSync } from "../../../../ffi/fs.ts"
import { decode, encodeInto } from "../../../../ffi/layout.ts"
import { allocate, attempt, errnoName, syscall } from "../../../../ffi/syscall.ts"
import type { fh_entry } from "../../../../proto/gen/fh_pb.ts"
import { deviceOf, type Mount, readMountinfo } from "../../../proc/mountinfo.ts"
import type { FileHandle } from "../../../proc/notify.ts"
import { layPath } from "../path.ts"
import { detailsOf } from "../stat.ts"

const memory = allocate(4096)
/** 64-bit words that the format always has. Authority: REFERENCE 5.5 */
const WORDS = 16

const NO_HANDLE: FileHandle = { type: 0, bytes: new Uint8Array(0) }

/** A handle as images have it. @param handle null: the file system has none */
export function savedHandle(handle: FileHandle | null, path?: string): fh_entry {
  const { type, bytes } = handle ?? NO_HANDLE
  const room = new Uint8Array(WORDS * 8)
  room.set(bytes)
  return { bytes: bytes.length, type, handle: [...new BigUint64Array(room.buffer)], ...(path === undefined ? {} : { path }) }
}

/** The handle of an entry; null when it has none. Mirror: savedHandle */
export function handleOf({ type, bytes, handle }: fh_entry): FileHandle | null {
  if (bytes === 0) return null
  return { type, bytes: new Uint8Array(new BigUint64Array(handle).buffer).slice(0, bytes) }
}

/** True when an entry has all the bytes that it says. */
export const isWhole = ({ bytes, handle }: fh_entry): boolean => bytes <= MAX_HANDLE_SZ && bytes <= handle.length * 8

/**
 * False when a file has another handle: its number may be that of a file that is gone. Undefined where no handle is told. Man page:
 * name_to_handle_at(2)
 */
export function hasHandle(fd: number, { type, bytes }: FileHandle): boolean | undefined {
  const mountId = memory.address + MAX_HANDLE_SZ + fileHandle.size
  const ask = (flags: number): boolean => {
    encodeInto(fileHandle, memory.bytes, { handle_bytes: MAX_HANDLE_SZ, handle_type: 0 })
    return attempt("name_to_handle_at", fd, layPath(""), memory.address, mountId, AT.EMPTY_PATH | flags) >= 0
  }
  if (!ask(0) && !ask(AT_HANDLE_FID)) return undefined
  const { handle_bytes, handle_type } = decode(fileHandle, memory.bytes)
  const now = memory.bytes.subarray(fileHandle.size, fileHandle.size + handle_bytes)
  return handle_type === type && Buffer.compare(now, bytes) === 0
}

/** Opens files by their handles. Disposal closes what it needs for that. */
export interface Handles extends Disposable {
  /** Of our namespace, in mounting order. */
  readonly mounts: readonly Mount[]
  /** CAP_DAC_READ_SEARCH is missing: no handle can be opened. */
  readonly denied: boolean
  /**
   * Opens a file through each mount of its file system in turn, that of its root first, until `use` answers.
   *
   * @param sdev device of the file system in the kernel's form   @param use gets a descriptor (O_PATH), which is closed afterwards
   * @returns undefined when the file is gone, or its file system opens no handles
   */
  lend<T>(sdev: number, handle: FileHandle, use: (fd: number, mount: Mount) => T | undefined): T | undefined
}

/** False for a mount whose path leads to another one, which covers it. Before Linux 5.8 none is known to. */
export function isInSight({ id, point }: Mount): boolean {
  const details = detailsOf(point)
  return details !== null && (details.mount === undefined || details.mount === BigInt(id))
}

/** A directory on a mount (O_PATH: who watches it is not told); undefined where none is to be had, or something else covers it. */
function openMount(mount: Mount): number | undefined {
  if (!isInSight(mount)) return undefined
  const fd = attempt("openat", AT.FDCWD, layPath(mount.point), O.PATH | O.DIRECTORY | O.CLOEXEC, 0)
  return fd < 0 ? undefined : fd
}

/** Man page: open_by_handle_at(2) */
export function openHandles(): Handles {
  const all = readMountinfo(process.pid)
  const mounts = Map.groupBy(all, deviceOf)
  for (const list of mounts.values()) list.sort((a, b) => Number(b.root === "/") - Number(a.root === "/"))
  const opened = new Map<Mount, number | undefined>()
  const home = syscall("openat", AT.FDCWD, layPath("."), O.PATH | O.DIRECTORY | O.CLOEXEC, 0)
  let denied = false
  // The call takes no descriptor of O_PATH, but the current directory: one that is open for reading would be told to who watches it.
  const open = (mount: Mount): number | undefined => {
    const fd = opened.getOrInsertComputed(mount, () => openMount(mount))
    if (fd === undefined || attempt("fchdir", fd) < 0) return undefined
    const answer = attempt("open_by_handle_at", AT.FDCWD, memory.address, O.PATH | O.NOFOLLOW | O.CLOEXEC)
    syscall("fchdir", home)
    if (answer >= 0) return answer
    if (errnoName(-answer) === "EPERM") denied = true
    return undefined
  }
  return {
    mounts: all,
    get denied() {
      return denied
    },
    lend(sdev, { type, bytes }, use) {
      if (bytes.length > MAX_HANDLE_SZ) return undefined
      for (const mount of mounts.get(sdev) ?? []) {
        encodeInto(fileHandle, memory.bytes, { handle_bytes: bytes.length, handle_type: type })
        memory.bytes.set(bytes, fileHandle.size)
        const fd = open(mount)
        if (fd === undefined) continue
        try {
          const answer = use(fd, mount)
          if (answer !== undefined) return answer
        } finally {
          closeSync(fd)
        }
      }
      return undefined
    },
    [Symbol.dispose]() {
      for (const fd of opened.values()) if (fd !== undefined) closeSync(fd)
      opened.clear()
      closeSync(home)
    },
  }
}
