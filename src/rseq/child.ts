import { CLONE, cloneArgs, elfHeader, elfSegment } from "../../ffi/abi/clone.ts"
import { ALL_SIGNALS, SIG } from "../../ffi/abi/signal.ts"
import { closeSync, writeSync } from "../../ffi/fs.ts"
import { spawnChild } from "../../ffi/kernel.ts"
import { encode } from "../../ffi/layout.ts"
import { allocate, errnoName, isFailure, pathArgument, SyscallError, syscall } from "../../ffi/syscall.ts"

const AT_EMPTY_PATH = 0x1000
const MFD_CLOEXEC = 1
const SIG_SETMASK = 2
/** Where the code starts in the file, bytes: a page of its own. */
const CODE_AT = 4096
const MACHINE = process.arch === "arm64" ? 183 : 62

/** What starting a child needs in memory; offsets in bytes. `SPAWN` is five words for execveat. */
const SPAWN = 128
const EMPTY_LIST = 192
const OUR_MASK = 256
const NO_SIGNAL = 264
const memory = allocate(4096)

/** A program of ours from ffi/stub/gen: machine code in base64, where it is linked, and its entry. */
export interface Blob {
  readonly base: number
  readonly code: string
  readonly symbols: { readonly _start: number }
}

/** Machine code as an executable file of one readable, executable segment. */
function executable({ base, code, symbols }: Blob): Uint8Array {
  const bytes = Buffer.from(code, "base64")
  const file = new Uint8Array(CODE_AT + bytes.length)
  const head = { magic: 0x464c457f, class: 2, data: 1, version: 1, e_type: 2, e_machine: MACHINE, e_version: 1 } as const
  const sizes = { e_phoff: elfHeader.size, e_ehsize: elfHeader.size, e_phentsize: elfSegment.size, e_phnum: 1 } as const
  const extent = { p_filesz: bytes.length, p_memsz: bytes.length, p_align: CODE_AT } as const
  file.set(encode(elfHeader, { ...head, ...sizes, e_entry: base + symbols._start }))
  file.set(encode(elfSegment, { p_type: 1, p_flags: 5, p_offset: CODE_AT, p_vaddr: base, ...extent }), elfHeader.size)
  file.set(bytes, CODE_AT)
  return file
}

/**
 * Starts a program of ours as a child, with every signal blocked. The caller waits for it.
 *
 * @returns its PID   @throws SyscallError memfd_create · clone3
 */
export function startChild(blob: Blob): number {
  const fd = syscall("memfd_create", pathArgument("stasis-probe"), MFD_CLOEXEC)
  try {
    writeSync(fd, executable(blob))
    const { address, bytes, view } = memory
    bytes.set(encode(cloneArgs, { flags: CLONE.VM | CLONE.VFORK, exit_signal: SIG.CHLD }))
    const words = [fd, pathArgument(""), address + EMPTY_LIST, address + EMPTY_LIST, AT_EMPTY_PATH]
    for (const [index, word] of words.entries()) view.setBigUint64(SPAWN + 8 * index, BigInt(word), true)
    view.setBigUint64(NO_SIGNAL, ALL_SIGNALS, true)
    // No handler of ours may run in the child while it borrows our memory.
    syscall("rt_sigprocmask", SIG_SETMASK, address + NO_SIGNAL, address + OUR_MASK, 8)
    const child = spawnChild(address, cloneArgs.size, address + SPAWN)
    syscall("rt_sigprocmask", SIG_SETMASK, address + OUR_MASK, 0, 8)
    if (isFailure(child)) throw new SyscallError("clone3", errnoName(-child), [])
    return child
  } finally {
    closeSync(fd)
  }
}
