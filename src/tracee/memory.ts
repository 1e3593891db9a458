import { AT, O } from "../../ffi/abi/file.ts"
import { iovec } from "../../ffi/abi/ptrace.ts"
import { closeSync } from "../../ffi/fs.ts"
import { encodeInto } from "../../ffi/layout.ts"
import { allocate, attempt, errnoName, pathArgument, SyscallError, syscall } from "../../ffi/syscall.ts"
import { type RemoteAddress, remoteAddress } from "../base/units.ts"
import { ptrace } from "./trace.ts"

const vectors = allocate(4096)
/** Bytes of one transfer, and those that `peekMemory` gives at most. */
export const PEEK = 128 * 1024
/** Bytes of a 64-bit word, which is what ptrace(2) writes at once. */
const WORD = 8
const room = allocate(PEEK)

/** One transfer of at most PEEK bytes between `room` and the task. Returns the bytes moved or -errno. */
function transfer(call: "process_vm_readv" | "process_vm_writev", pid: number, remote: bigint, length: number): number {
  encodeInto(iovec, vectors.bytes, { iov_base: room.address, iov_len: length })
  encodeInto(iovec, vectors.bytes, { iov_base: remote, iov_len: length }, 16)
  return attempt(call, pid, vectors.address, 1, vectors.address + 16, 1, 0)
}

/**
 * Copies memory out of a stopped task.
 *
 * @param from address in the task; any alignment
 * @param length bytes
 * @returns exactly `length` bytes; a short copy throws, it is never returned
 * @throws SyscallError EFAULT not mapped or not readable · EPERM no ptrace access · ESRCH task is gone
 *
 * Precondition: the task is ptrace-stopped, else a page may change while it is copied.
 * Kernel: mm/process_vm_access.c process_vm_rw()
 */
export function readMemory(pid: number, from: RemoteAddress, length: number): Uint8Array {
  const result = new Uint8Array(length)
  for (let done = 0; done < length; ) {
    const part = Math.min(PEEK, length - done)
    const moved = transfer("process_vm_readv", pid, from + BigInt(done), part)
    if (moved <= 0) throw new SyscallError("process_vm_readv", moved < 0 ? errnoName(-moved) : "EFAULT", [pid, from + BigInt(done), part])
    result.set(room.bytes.subarray(0, moved), done)
    done += moved
  }
  return result
}

/**
 * A look at a stopped or running task's memory without a copy of its own.
 *
 * @param length bytes, at most PEEK
 * @returns bytes that are overwritten by the next call of this module; undefined where not all of them are mapped and readable
 * @throws SyscallError EPERM · ESRCH
 */
export function peekMemory(pid: number, from: RemoteAddress, length: number): Buffer | undefined {
  const moved = transfer("process_vm_readv", pid, from, length)
  if (moved === length) return Buffer.from(room.bytes.buffer as ArrayBuffer, 0, length)
  if (moved >= 0 || errnoName(-moved) === "EFAULT") return undefined
  throw new SyscallError("process_vm_readv", errnoName(-moved), [pid, from, length])
}

/** As `readMemory`; undefined where the memory is not there or not readable. @throws SyscallError EPERM · ESRCH */
export function readMemoryIfMapped(pid: number, from: RemoteAddress, length: number): Uint8Array | undefined {
  try {
    return readMemory(pid, from, length)
  } catch (error) {
    if (error instanceof SyscallError && error.errno === "EFAULT") return undefined
    throw error
  }
}

/**
 * Copies bytes into a stopped task's writable memory.
 *
 * @throws SyscallError EFAULT not mapped or not writable · EPERM · ESRCH
 * Kernel: mm/process_vm_access.c process_vm_rw()
 */
export function writeMemory(pid: number, to: RemoteAddress, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) {
    const part = Math.min(PEEK, bytes.length - done)
    room.bytes.set(bytes.subarray(done, done + part))
    const moved = transfer("process_vm_writev", pid, to + BigInt(done), part)
    if (moved <= 0) throw new SyscallError("process_vm_writev", moved < 0 ? errnoName(-moved) : "EFAULT", [pid, to + BigInt(done), part])
    done += moved
  }
}

/** Copies a 64-bit word into a stopped task's writable memory. @throws SyscallError as `writeMemory` */
export function writeWord(pid: number, to: RemoteAddress, value: bigint): void {
  const bytes = new Uint8Array(WORD)
  new DataView(bytes.buffer).setBigUint64(0, value, true)
  writeMemory(pid, to, bytes)
}

/** Opens a task's memory past page protection. @throws SyscallError ESRCH task is gone · EACCES no ptrace access */
export const openMemory = (pid: number, access: number): number =>
  syscall("openat", AT.FDCWD, pathArgument(`/proc/${pid}/mem`), access | O.CLOEXEC)

/**
 * Writes through page protection, as a debugger does: for code pages that the task itself may not write.
 *
 * @throws SyscallError EIO not mapped · ESRCH task is gone
 * Precondition: we trace the task, and its first thread is stopped. Kernel: fs/proc/base.c mem_rw() with FOLL_FORCE; of a task whose memory
 * is gone it moves 0 bytes.
 */
export function forceMemory(pid: number, to: RemoteAddress, bytes: Uint8Array): void {
  const fd = attempt("openat", AT.FDCWD, pathArgument(`/proc/${pid}/mem`), O.RDWR | O.CLOEXEC)
  if (fd < 0 && errnoName(-fd) === "EACCES") {
    pokeMemory(pid, to, bytes)
    return
  }
  if (fd < 0) throw new SyscallError("openat", errnoName(-fd), [pid], ` of the memory of task ${pid}`)
  try {
    for (let done = 0; done < bytes.length; ) {
      const part = Math.min(PEEK, bytes.length - done)
      room.bytes.set(bytes.subarray(done, done + part))
      const moved = attempt("pwrite64", fd, room.address, part, to + BigInt(done))
      if (moved <= 0) {
        if (moved < 0 && errnoName(-moved) === "EINTR") continue
        const args = [fd, part, to + BigInt(done)]
        throw new SyscallError("pwrite64", moved < 0 ? errnoName(-moved) : "ESRCH", args, ` of the memory of task ${pid}`)
      }
      done += moved
    }
  } finally {
    closeSync(fd)
  }
}

/**
 * As `forceMemory`, for who may trace a task and not write its files: another user's, without CAP_DAC_OVERRIDE. Kernel: kernel/ptrace.c
 * generic_ptrace_pokedata()
 */
function pokeMemory(pid: number, to: RemoteAddress, bytes: Uint8Array): void {
  try {
    writeMemory(pid, to, bytes)
    return
  } catch (error) {
    if (!(error instanceof SyscallError && error.errno === "EFAULT")) throw error
  }
  const whole = new Uint8Array(Math.ceil(bytes.length / WORD) * WORD)
  if (whole.length > bytes.length) whole.set(readMemory(pid, remoteAddress(to + BigInt(whole.length - WORD)), WORD), whole.length - WORD)
  whole.set(bytes)
  const view = new DataView(whole.buffer)
  for (let at = 0; at < whole.length; at += WORD) ptrace("POKEDATA", pid, to + BigInt(at), view.getBigUint64(at, true))
}
