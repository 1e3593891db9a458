import { CLONE, cloneArgs } from "../../ffi/abi/clone.ts"
import { elfHeader, elfSegment } from "../../ffi/abi/elf.ts"
import { AT, MFD_CLOEXEC, MFD_EXEC } from "../../ffi/abi/file.ts"
import { SIG } from "../../ffi/abi/signal.ts"
import { closeSync, writeAll } from "../../ffi/fs.ts"
import { expectChildren } from "../../ffi/interrupt.ts"
import { spawnChild } from "../../ffi/kernel.ts"
import { encode } from "../../ffi/layout.ts"
import { allocate, attempt, errnoName, isFailure, pathArgument, SyscallError } from "../../ffi/syscall.ts"
import { CheckpointError } from "../base/errors.ts"
import { withSignalsBlocked } from "./blocked.ts"
import { reap } from "./wait.ts"

/** Where the code starts in the file, bytes: a page of its own. */
const CODE_AT = 4096
const MACHINE = process.arch === "arm64" ? 183 : 62

/** What starting a child needs in memory; offsets in bytes. `SPAWN` is five words for execveat and three for a grandchild, `ARGV` two. */
const WANTED_PID = 120
const SPAWN = 320
const GRANDCHILD = SPAWN + 56
const OUTER = 512
const ARGV = 176
const EMPTY_LIST = 192
const NAME = 208
const memory = allocate(4096)

/** A program of ours from ffi/stub/gen: machine code in base64, where it is linked, and its entry. */
interface Blob {
  readonly base: number
  readonly code: string
  readonly symbols: { readonly _start: number }
}

/** A program of ours as an executable file of one readable, executable segment, with `data` right behind its code. */
export function executable({ base, code, symbols }: Blob, data: Uint8Array = new Uint8Array()): Uint8Array {
  const bytes = Buffer.concat([Buffer.from(code, "base64"), data])
  const file = new Uint8Array(CODE_AT + bytes.length)
  const head = { magic: 0x464c457f, class: 2, data: 1, version: 1, e_type: 2, e_machine: MACHINE, e_version: 1 } as const
  const sizes = { e_phoff: elfHeader.size, e_ehsize: elfHeader.size, e_phentsize: elfSegment.size, e_phnum: 1 } as const
  const extent = { p_filesz: bytes.length, p_memsz: bytes.length, p_align: CODE_AT } as const
  file.set(encode(elfHeader, { ...head, ...sizes, e_entry: base + symbols._start }))
  file.set(encode(elfSegment, { p_type: 1, p_flags: 5, p_offset: CODE_AT, p_vaddr: base, p_paddr: base, ...extent }), elfHeader.size)
  file.set(bytes, CODE_AT)
  return file
}

/** memfd_create of a file that closes on exec and may be executed. @returns its descriptor, or -errno. Man page: memfd_create(2) */
export function tryMemoryFile(name: string): number {
  const answer = attempt("memfd_create", pathArgument(name), MFD_CLOEXEC | MFD_EXEC)
  return isFailure(answer) && errnoName(-answer) === "EINVAL" ? attempt("memfd_create", pathArgument(name), MFD_CLOEXEC) : answer
}

/**
 * Makes a memfd that closes on exec and holds these bytes.
 *
 * @throws CheckpointError E_PERMISSION vm.memfd_noexec is 2 · SyscallError memfd_create · FileError ENOSPC, ENOMEM of the bytes
 */
export function memoryFile(name: string, bytes?: Uint8Array): number {
  const fd = tryMemoryFile(name)
  if (isFailure(fd)) {
    const cause = new SyscallError("memfd_create", errnoName(-fd), [0, MFD_CLOEXEC | MFD_EXEC])
    if (cause.errno !== "EACCES") throw cause
    throw new CheckpointError(
      "E_PERMISSION",
      "Cannot start a program of stasis",
      "vm.memfd_noexec is 2: no file in memory may be executed",
      "Set the sysctl vm.memfd_noexec of this PID namespace to 1 or 0",
      cause,
    )
  }
  try {
    if (bytes) writeAll(fd, bytes)
    return fd
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

/** How a child differs from one that fork would make. */
interface Birth {
  /** The PID that it gets. Kernel: clone3(2) set_tid, Linux 5.5, needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN. */
  readonly pid?: number
  /** A child of our parent instead of ours. */
  readonly sibling?: boolean
  /** A child of nobody's: of init, or of the subreaper that we descend from. Not with `sibling`. */
  readonly orphan?: boolean
}

/**
 * Starts a program of ours, with every signal blocked. It inherits the descriptors without close-on-exec. The caller waits for it.
 *
 * @param file of an `executable`, by descriptor
 * @returns its PID, or -errno of clone3
 */
export function spawnFile(file: number, { pid, sibling = false, orphan = false }: Birth = {}): number {
  expectChildren()
  const { address, bytes, view } = memory
  view.setInt32(WANTED_PID, pid ?? 0, true)
  const flags = CLONE.VM | CLONE.VFORK | (sibling ? CLONE.PARENT : 0)
  const chosen = pid === undefined ? {} : { set_tid: address + WANTED_PID, set_tid_size: 1 }
  bytes.set(encode(cloneArgs, { flags, exit_signal: sibling ? 0 : SIG.CHLD, ...chosen }))
  bytes.set(Buffer.from("stasis\0"), NAME)
  view.setBigUint64(ARGV, BigInt(address + NAME), true)
  // By its path: on some 5.10 kernels (seen on Debian's 5.10.223) execveat with AT_EMPTY_PATH answers ENOENT.
  // Its parent is another child, which ends as soon as it stands.
  bytes.set(encode(cloneArgs, { flags: CLONE.VM | CLONE.VFORK }), OUTER)
  const grandchild = orphan ? [address, cloneArgs.size, 0] : [0, 0, 0]
  const words = [AT.FDCWD, pathArgument(`/proc/self/fd/${file}`), address + ARGV, address + EMPTY_LIST, 0, ...grandchild]
  for (const [index, word] of words.entries()) view.setBigUint64(SPAWN + 8 * index, BigInt(word), true)
  // No handler of ours may run in the child while it borrows our memory.
  const child = withSignalsBlocked(() => spawnChild(orphan ? address + OUTER : address, cloneArgs.size, address + SPAWN))
  if (!orphan || isFailure(child)) return child
  reap(child)
  return Number(view.getBigInt64(GRANDCHILD, true))
}

/**
 * Starts a program of ours with data behind its code, as `spawnFile` does.
 *
 * @param name of the memfd, which /proc shows   @returns its PID   @throws SyscallError memfd_create · clone3
 */
export function startChild(name: string, blob: Blob, data?: Uint8Array): number {
  const file = memoryFile(name, executable(blob, data))
  try {
    const child = spawnFile(file)
    if (isFailure(child)) throw new SyscallError("clone3", errnoName(-child), [])
    return child
  } finally {
    closeSync(file)
  }
}
