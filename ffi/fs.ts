/**
 * The calls of node:fs that the tool makes, by their names there and with their answers, through the kernel door: loading node:fs takes
 * longer than a fifth of a small dump. Errors have node's `code`. Where no door exists (see kernel.ts) they are node's own.
 *
 * Every descriptor is close-on-exec. EINTR is tried again: the tool's own timer interrupts calls, see interrupt.ts.
 */
import { AT, O, S_IF, STATX_BASIC_STATS, statx } from "./abi/file.ts"
import type { DirectoryEntry, Files, Flags, Stat } from "./files.ts"
import { doorExists, readWhole } from "./kernel.ts"
import { decode } from "./layout.ts"
import { type Argument, allocate, attempt, type Errno, errnoMeaning, errnoName, type Syscall } from "./syscall.ts"
import { lackOfPath, lackOfRight } from "./without.ts"

/** Without machine code for the processor, or the right to it, files can be read and written, and nothing else can be done. */
export { doorExists as machineKnown, doorFailure as machineFailure } from "./kernel.ts"

/**
 * A failed call on a file, told as node:fs does: branch on `code`. A class of its own beside SyscallError, since what is
 * here answers as node:fs does, and is node:fs itself where no door exists: who catches a failure finds a code and a path either way.
 * Where both classes are met, `errnoOf` of src/base/errno.ts reads either.
 */
export class FileError extends Error {
  override readonly name = "FileError"
  constructor(
    readonly code: Errno,
    readonly syscall: string,
    readonly path: string,
  ) {
    super(`${code}: ${errnoMeaning(code)}, ${syscall}${path === "" ? "" : ` '${path}'`}`)
  }
}

const PATH_MAX = 4096
const ROOM = 256 * 1024
/** Of a sysctl: the kernel clears as much memory as is asked for, twice. Kernel: fs/proc/proc_sysctl.c proc_sys_call_handler() */
const SYSCTL_ROOM = 4096
const AT_REMOVEDIR = 0x200
/** struct linux_dirent64: d_reclen at 16, d_type at 18, d_name from 19. Man page: getdents(2) */
const [DIRENT_LENGTH, DIRENT_TYPE, DIRENT_NAME] = [16, 18, 19] as const
const DT_DIR = 4
const OPEN = { r: O.RDONLY, "r+": O.RDWR, wx: O.WRONLY | O.CREAT | O.TRUNC | O.EXCL, "wx+": O.RDWR | O.CREAT | O.TRUNC | O.EXCL } as const

function throughDoor(): Files {
  const paths = allocate(2 * PATH_MAX + 4096)
  const room = allocate(ROOM)
  const pathBuffer = Buffer.from(paths.bytes.buffer)
  const roomBuffer = Buffer.from(room.bytes.buffer)
  const EMPTY = paths.address + 2 * PATH_MAX // stays zero: the empty path

  function run(path: string, call: Syscall, a: Argument, b: Argument = 0, c: Argument = 0, d: Argument = 0, e: Argument = 0): number {
    for (;;) {
      const answer = attempt(call, a, b, c, d, e)
      if (answer >= 0) return answer
      const code = errnoName(-answer)
      if (code !== "EINTR") throw new FileError(code, call, path)
    }
  }

  /** Lays a path before the kernel. @param place 0 or 1 */
  function lay(path: string, place = 0, isFollowed = true): number {
    const at = place * PATH_MAX
    if (isFollowed && lackOfRight?.test(path)) throw new FileError("EPERM", "open", path)
    if (isFollowed && lackOfPath?.test(path)) return lay("/proc/self/lacking", place)
    const length = pathBuffer.write(path, at, PATH_MAX - 1)
    pathBuffer[at + length] = 0
    if (length >= PATH_MAX - 1 && Buffer.byteLength(path) > length) throw new FileError("ENAMETOOLONG", "open", path)
    if (path.includes("\0")) throw new FileError("EINVAL", "open", path)
    return paths.address + at
  }

  function stat(path: string, fd: number, name: number, flags: number): Stat {
    run(path, "statx", fd, name, flags, STATX_BASIC_STATS, room.address)
    const { stx_ino, stx_size, stx_mode, stx_uid, stx_gid } = decode(statx, room.bytes)
    const is = (kind: number) => () => (stx_mode & S_IF.MT) === kind
    return {
      ino: Number(stx_ino),
      size: Number(stx_size),
      mode: stx_mode,
      uid: stx_uid,
      gid: stx_gid,
      isFile: is(S_IF.REG),
      isDirectory: is(S_IF.DIR),
    }
  }

  const openSync = (path: string, flags: Flags, mode = 0o666): number =>
    run(path, "openat", AT.FDCWD, lay(path), (typeof flags === "number" ? flags : OPEN[flags]) | O.CLOEXEC, mode)
  const closeSync = (fd: number): void => {
    const answer = attempt("close", fd)
    // After EINTR the descriptor is closed all the same. Man page: close(2)
    if (answer < 0 && errnoName(-answer) !== "EINTR") throw new FileError(errnoName(-answer), "close", "")
  }

  function readSync(fd: number, into: Uint8Array, offset: number, length: number, position: number | null): number {
    const count = Math.min(length, ROOM)
    const got = position === null ? run("", "read", fd, room.address, count) : run("", "pread64", fd, room.address, count, position)
    into.set(room.bytes.subarray(0, got), offset)
    return got
  }

  function writeSync(fd: number, data: Uint8Array | string, offset = 0, length?: number, position?: number): number {
    const bytes = typeof data === "string" ? Buffer.from(data) : data
    const total = length ?? bytes.length - offset
    let done = 0
    while (done < total) {
      const part = Math.min(ROOM, total - done)
      room.bytes.set(bytes.subarray(offset + done, offset + done + part))
      const answer =
        position === undefined ? attempt("write", fd, room.address, part) : attempt("pwrite64", fd, room.address, part, position + done)
      if (answer >= 0) done += answer
      else if (errnoName(-answer) !== "EINTR") {
        if (done > 0) return done
        throw new FileError(errnoName(-answer), "write", "")
      }
    }
    return done
  }

  /** What is longer than the room is read in parts. */
  function readParts(path: string): Buffer {
    const fd = openSync(path, "r")
    try {
      const parts: Buffer[] = []
      for (;;) {
        const got = run(path, "read", fd, room.address, ROOM)
        if (got === 0) return Buffer.concat(parts)
        parts.push(Buffer.from(roomBuffer.subarray(0, got)))
      }
    } finally {
      closeSync(fd)
    }
  }
  /** @param take sees bytes that the next call here writes over */
  function readAll<T>(path: string, take: (bytes: Buffer) => T): T {
    const most = path.startsWith("/proc/sys/") ? SYSCTL_ROOM : ROOM
    for (;;) {
      const got = readWhole(lay(path), room.address, most)
      if (got >= 0) return take(got < most ? roomBuffer.subarray(0, got) : readParts(path))
      const code = errnoName(-got)
      if (code !== "EINTR") throw new FileError(code, "openat", path)
    }
  }
  function readFileSync(path: string): Buffer
  function readFileSync(path: string, encoding: "latin1" | "utf8"): string
  function readFileSync(path: string, encoding?: "latin1" | "utf8"): Buffer | string {
    return readAll<Buffer | string>(path, (bytes) => (encoding === undefined ? Buffer.from(bytes) : bytes.toString(encoding)))
  }

  function readdirSync(path: string): string[]
  function readdirSync(path: string, options: { readonly withFileTypes: true }): DirectoryEntry[]
  function readdirSync(path: string, options?: { readonly withFileTypes: true }): (string | DirectoryEntry)[] {
    const fd = openSync(path, O.RDONLY | O.DIRECTORY)
    try {
      const entries: (string | DirectoryEntry)[] = []
      for (;;) {
        const got = run(path, "getdents64", fd, room.address, ROOM)
        if (got === 0) return entries
        for (let at = 0; at < got; ) {
          const length = roomBuffer.readUInt16LE(at + DIRENT_LENGTH)
          const name = roomBuffer.toString("utf8", at + DIRENT_NAME, roomBuffer.indexOf(0, at + DIRENT_NAME))
          const isDirectory = roomBuffer[at + DIRENT_TYPE] === DT_DIR
          if (name !== "." && name !== "..") entries.push(options ? { name, isDirectory: () => isDirectory } : name)
          at += length
        }
      }
    } finally {
      closeSync(fd)
    }
  }

  const unlinkSync = (path: string): void => void run(path, "unlinkat", AT.FDCWD, lay(path), 0)
  return {
    openSync,
    closeSync,
    readSync,
    writeSync,
    parseFileSync: readAll,
    readFileSync,
    writeFileSync(path, data, { mode = 0o666 } = {}) {
      const fd = openSync(path, O.WRONLY | O.CREAT | O.TRUNC, mode)
      try {
        writeAll(fd, data)
      } finally {
        closeSync(fd)
      }
    },
    existsSync(path) {
      // Such a path leads nowhere, and is no error here, as with node.
      if (Buffer.byteLength(path) >= PATH_MAX || path.includes("\0")) return false
      return attempt("faccessat", AT.FDCWD, lay(path), 0) === 0
    },
    statSync: (path) => stat(path, AT.FDCWD, lay(path), 0),
    lstatSync: (path) => stat(path, AT.FDCWD, lay(path, 0, false), AT.SYMLINK_NOFOLLOW),
    fstatSync: (fd) => stat("", fd, EMPTY, AT.EMPTY_PATH),
    readdirSync,
    readlinkSync: (path) => Buffer.from(roomBuffer.subarray(0, run(path, "readlinkat", AT.FDCWD, lay(path), room.address, PATH_MAX))),
    renameSync: (from, to) => void run(from, "renameat2", AT.FDCWD, lay(from), AT.FDCWD, lay(to, 1), 0),
    unlinkSync,
    rmSync(path, { force }) {
      try {
        unlinkSync(path)
      } catch (error) {
        if (!(force && error instanceof FileError && error.code === "ENOENT")) throw error
      }
    },
    mkdirSync: (path) => void run(path, "mkdirat", AT.FDCWD, lay(path), 0o777),
    chmodSync: (path, mode) => void run(path, "fchmodat", AT.FDCWD, lay(path), mode),
    chownSync: (path, uid, gid) => void run(path, "fchownat", AT.FDCWD, lay(path), uid, gid, 0),
    rmdirSync: (path) => void run(path, "unlinkat", AT.FDCWD, lay(path), AT_REMOVEDIR),
    ftruncateSync: (fd, length) => void run("", "ftruncate", fd, length),
    fsyncSync: (fd) => void run("", "fsync", fd),
  }
}

function throughNode(): Files {
  const fs = process.getBuiltinModule("node:fs") as Omit<Files, "parseFileSync">
  return { ...fs, parseFileSync: (path, parse) => parse(fs.readFileSync(path)) }
}

export const {
  openSync,
  closeSync,
  readSync,
  writeSync,
  parseFileSync,
  readFileSync,
  writeFileSync,
  existsSync,
  statSync,
  lstatSync,
  fstatSync,
  readdirSync,
  readlinkSync,
  renameSync,
  unlinkSync,
  rmSync,
  mkdirSync,
  chmodSync,
  chownSync,
  rmdirSync,
  ftruncateSync,
  fsyncSync,
}: Files = doorExists ? throughDoor() : throughNode()

/** Writes all there is, or throws: a disk that has room again after a short answer must leave no hole. @throws FileError */
export function writeAll(fd: number, data: Uint8Array | string, position?: number): void {
  const bytes = typeof data === "string" ? Buffer.from(data) : data
  for (let at = 0; at < bytes.length; )
    at += writeSync(fd, bytes, at, bytes.length - at, position === undefined ? undefined : position + at)
}
