import { iovec } from "../../ffi/abi/ptrace.ts"
import { encodeInto } from "../../ffi/layout.ts"
import { allocate, attempt, errnoName, SyscallError, syscall } from "../../ffi/syscall.ts"
import { closeSync, openSync, writeSync } from "node:fs"
import type { RemoteAddress } from "../base/units.ts"

const vectors = allocate(4096)
const ROOM = 1 << 20
const room = allocate(ROOM)

/** One transfer of at most ROOM bytes between `room` and the task. Returns the bytes moved or -errno. */
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
    const part = Math.min(ROOM, length - done)
    const moved = transfer("process_vm_readv", pid, from + BigInt(done), part)
    if (moved <= 0) throw new SyscallError("process_vm_readv", moved < 0 ? errnoName(-moved) : "EFAULT", [pid, from + BigInt(done), part])
    result.set(room.bytes.subarray(0, moved), done)
    done += moved
  }
  return result
}

/** The same; undefined where the memory is not there or not readable. */
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
    const part = Math.min(ROOM, bytes.length - done)
    room.bytes.set(bytes.subarray(done, done + part))
    const moved = transfer("process_vm_writev", pid, to + BigInt(done), part)
    if (moved <= 0) throw new SyscallError("process_vm_writev", moved < 0 ? errnoName(-moved) : "EFAULT", [pid, to + BigInt(done), part])
    done += moved
  }
}

/**
 * Writes through page protection, as a debugger does: for code pages that the task itself may not write.
 *
 * Precondition: we trace the task. Kernel: fs/proc/base.c mem_rw() with FOLL_FORCE.
 */
export function forceMemory(pid: number, to: RemoteAddress, bytes: Uint8Array): void {
  const fd = openSync(`/proc/${pid}/mem`, "r+")
  try {
    // Positions above 2^53 do not occur: user addresses have 47 bits, 56 with five-level page tables on request.
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, bytes.length - done, Number(to) + done)
  } finally {
    closeSync(fd)
  }
}

/**
 * Copies pages from a task straight into a file, through one reused buffer of 1 MiB.
 *
 * @param from address, page-aligned   @param length bytes, whole pages
 * @param fd open for writing   @param position offset in the file, bytes
 * @param readFallback used for parts that the task itself may not read (PROT_NONE, execute-only)
 * @throws SyscallError as readMemory, and ENOSPC · EIO of pwrite64
 */
export function copyToFile(pid: number, from: RemoteAddress, length: number, fd: number, position: number, readFallback: (at: bigint, bytes: Uint8Array) => number): void {
  for (let done = 0; done < length; ) {
    const part = Math.min(ROOM, length - done)
    const at = from + BigInt(done)
    let moved = transfer("process_vm_readv", pid, at, part)
    if (moved === -14 /* EFAULT */ || moved === 0) moved = readFallback(at, room.bytes.subarray(0, part))
    if (moved <= 0) throw new SyscallError("process_vm_readv", errnoName(-moved), [pid, at, part])
    for (let written = 0; written < moved; )
      written += syscall("pwrite64", fd, room.address + written, moved - written, position + done + written)
    done += moved
  }
}
