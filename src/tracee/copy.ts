import { CLONE, cloneArgs } from "../../ffi/abi/clone.ts"
import { O } from "../../ffi/abi/file.ts"
import { iovec } from "../../ffi/abi/ptrace.ts"
import { closeSync, FileError } from "../../ffi/fs.ts"
import { copyBeside, copyPieces } from "../../ffi/kernel.ts"
import { encode, encodeInto } from "../../ffi/layout.ts"
import { copyJob, copyPiece, PIECE } from "../../ffi/stub/record.ts"
import { allocate, attempt, errnoName, SyscallError } from "../../ffi/syscall.ts"
import { withSignalsBlocked } from "./blocked.ts"
import { openMemory } from "./memory.ts"
import { checkInterrupt } from "./wait.ts"

/** A part of a process's memory; bytes, the end is outside. */
interface Part {
  readonly start: bigint
  readonly end: bigint
}

/** Bytes of a piece at most: they go into the file at once, through a buffer that JavaScript never sees. */
const PIECE_ROOM = 1 << 20
/** Parts of memory in one piece at most. Man page: process_vm_readv(2), IOV_MAX */
const MOST_VECTORS = 1024
/** How much is written down at once: up to 1 GiB. */
const PIECES = 1024
const VECTORS = 8192
/** Bytes that are worth a second thread. */
const WORTH_TWO = 8 << 20

const vectors = allocate(VECTORS * iovec.size)
const pieces = allocate(PIECES * copyPiece.size)
const buffers = allocate(2 * PIECE_ROOM)

/** Offsets in `control`. */
const JOB = 0
const HANDS = [64, 96] as const
const CLONE_ARGS = 128
const THREAD = 256
const STACK = 1024
const control = allocate(4096)

/** What is written down of one round. */
class Round {
  private vectorCount = 0
  /** Vectors of each piece: the first, how many, and whether they are read in the careful way. */
  private readonly list: { first: number; count: number; length: number; offset: number; careful: boolean }[] = []
  private bytes = 0

  constructor(
    private readonly pid: number,
    private readonly fd: number,
  ) {}

  /** Takes as much of a part as there is room for. @returns bytes taken */
  take({ start, end }: Part, offset: number, careful: boolean): number {
    const last = this.list.at(-1)
    const goesOn = last && last.careful === careful && last.length < PIECE_ROOM && last.count < MOST_VECTORS
    if (this.vectorCount === VECTORS || (!goesOn && this.list.length === PIECES)) return 0
    const piece = goesOn ? last : { first: this.vectorCount, count: 0, length: 0, offset, careful }
    if (!goesOn) this.list.push(piece)
    const left = end - start
    const room = PIECE_ROOM - piece.length
    const length = left < BigInt(room) ? Number(left) : room
    encodeInto(iovec, vectors.bytes, { iov_base: start, iov_len: length }, this.vectorCount++ * iovec.size)
    piece.count++
    piece.length += length
    this.bytes += length
    return length
  }

  /** Copies what was taken. */
  run(): void {
    if (this.list.length === 0) return
    for (const [index, { first, count, length, offset, careful }] of this.list.entries())
      encodeInto(
        copyPiece,
        pieces.bytes,
        {
          vectors: vectors.address + first * iovec.size,
          // Without vectors nothing is read, and the piece is left for the careful way.
          vectorCount: careful ? 0 : count,
          length,
          offset,
          state: BigInt(PIECE.waiting),
        },
        index * copyPiece.size,
      )
    const job = { next: 0, count: this.list.length, pieces: pieces.address, pid: this.pid, file: this.fd }
    encodeInto(copyJob, control.bytes, job, JOB)
    copyAtOnce(this.bytes >= WORTH_TWO)
    this.finish()
  }

  /** Looks at what became of each piece. @throws SyscallError, FileError as `copyToFile` */
  private finish(): void {
    const states = this.list.map((_, index) => Number(pieces.view.getBigInt64(index * copyPiece.size + copyPiece.fields.state[0], true)))
    const failed = states.find((state) => state < 0)
    if (failed !== undefined) throw new FileError(errnoName(-failed), "pwrite64", "")
    using scope = new DisposableStack()
    let memory: number | undefined
    for (const [index, { first, count, offset }] of this.list.entries()) {
      if (states[index] === PIECE.written) continue
      memory ??= scope.adopt(openMemory(this.pid, O.RDONLY), closeSync)
      this.copyCarefully(memory, first, count, offset)
    }
  }

  private copyCarefully(memory: number, first: number, count: number, offset: number): void {
    let filled = 0
    for (let index = first; index < first + count; index++) {
      const at = index * iovec.size
      const start = vectors.view.getBigUint64(at, true)
      const end = start + vectors.view.getBigUint64(at + 8, true)
      for (let from = start; from < end; ) {
        const left = Number(end - from)
        const moved = attempt("pread64", memory, buffers.address + filled, left, from)
        if (moved < 0 && errnoName(-moved) === "EINTR") continue
        if (moved <= 0) {
          const args = [this.pid, from, left]
          throw new SyscallError("pread64", moved < 0 ? errnoName(-moved) : "ESRCH", args, ` of the memory of task ${this.pid}`)
        }
        filled += moved
        from += BigInt(moved)
      }
    }
    for (let done = 0; done < filled; ) {
      const answer = attempt("pwrite64", this.fd, buffers.address + done, filled - done, offset + done)
      if (answer >= 0) done += answer
      // The tool's own timer interrupts calls where the file system lets it: FUSE, NFS.
      else if (errnoName(-answer) !== "EINTR") throw new FileError(errnoName(-answer), "pwrite64", "")
    }
  }
}

/** Works the job off: a second thread reads memory while the first one writes, and the other way round. */
function copyAtOnce(withSecond: boolean): void {
  const { address, bytes, view } = control
  for (const [index, at] of HANDS.entries())
    encodeInto(iovec, bytes, { iov_base: buffers.address + index * PIECE_ROOM, iov_len: PIECE_ROOM }, at)
  const [own, other] = HANDS
  if (withSecond) {
    const shared = CLONE.VM | CLONE.FS | CLONE.FILES | CLONE.SIGHAND | CLONE.THREAD | CLONE.SYSVSEM
    const flags = shared | CLONE.PARENT_SETTID | CLONE.CHILD_CLEARTID
    const ids = { parent_tid: address + THREAD, child_tid: address + THREAD }
    bytes.set(encode(cloneArgs, { flags, ...ids, stack: address + STACK, stack_size: control.bytes.length - STACK }), CLONE_ARGS)
    // One more thread than the user may have: then this one works alone.
    withSignalsBlocked(() => copyBeside(address + CLONE_ARGS, cloneArgs.size, address + JOB, address + other))
  }
  copyPieces(address + JOB, address + own)
  for (let thread = view.getInt32(THREAD, true); thread !== 0; thread = view.getInt32(THREAD, true))
    attempt("futex", address + THREAD, FUTEX_WAIT, thread, 0)
}
const FUTEX_WAIT = 0

/**
 * Copies ranges of a stopped task's memory one after another into a file.
 *
 * By process_vm_readv(2) into buffers of 1 MiB, in two threads where there is much. That call pins pages, and the kernel gives the task a copy
 * of each that it has in common with another process (since Linux 5.19), and it stops at areas that may not be read. Such are read through
 * /proc/PID/mem, which takes half as long again.
 *
 * @param fd open for writing   @param position offset of the first byte in the file
 * @param isCommon whether pages of a range may be another process's as well
 * @returns bytes written
 * @throws SyscallError EIO not mapped · ESRCH task is gone · FileError the file cannot be written: ENOSPC, EIO · CheckpointError E_INTERRUPTED
 * Kernel: mm/process_vm_access.c process_vm_rw(), mm/gup.c gup_must_unshare(), fs/proc/base.c mem_rw()
 */
export function copyToFile(
  pid: number,
  ranges: Iterable<Part>,
  fd: number,
  position: number,
  isCommon: (range: Part) => boolean = () => false,
): number {
  let written = 0
  let round = new Round(pid, fd)
  for (const range of ranges) {
    const careful = isCommon(range)
    for (let { start, end } = range; start < end; ) {
      const taken = round.take({ start, end }, position + written, careful)
      if (taken === 0) {
        round.run()
        round = new Round(pid, fd)
        checkInterrupt("the dump")
      }
      start += BigInt(taken)
      written += taken
    }
  }
  round.run()
  return written
}
