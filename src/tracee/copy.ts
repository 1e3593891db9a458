import { O } from "../../ffi/abi/file.ts"
import { iovec } from "../../ffi/abi/ptrace.ts"
import { closeSync, FileError } from "../../ffi/fs.ts"
import { copyPieces } from "../../ffi/kernel.ts"
import { encodeInto } from "../../ffi/layout.ts"
import { copyJob, copyPiece, PIECE } from "../../ffi/stub/record.ts"
import { allocate, attempt, errnoName, SyscallError } from "../../ffi/syscall.ts"
import { logger } from "../base/log.ts"
import type { Range } from "../base/units.ts"
import { DoorThread } from "./door-thread.ts"
import { openMemory } from "./memory.ts"
import { checkInterrupt } from "./wait.ts"

const log = logger("memory")

/** Bytes of a piece at most: they go into the file at once, through a buffer that JavaScript never sees. */
const PIECE_ROOM = 1 << 20
/** Parts of memory in one piece at most. Man page: process_vm_readv(2), IOV_MAX */
const MOST_VECTORS = 1024
/** Pieces and parts of a round at most: up to 128 MiB, after which it is looked whether the user has asked the tool to stop. */
const PIECES = 128
const VECTORS = 4096
/** Bytes that are worth a second thread. */
const WORTH_TWO = 8 << 20

const vectors = allocate(VECTORS * iovec.size)
const pieces = allocate(PIECES * copyPiece.size)
const buffers = allocate(2 * PIECE_ROOM)

/** Offsets in `control`: of the job, and of an iovec for each thread, its buffer. */
const JOB = 0
const BUFFERS = [64, 96] as const
const control = allocate(4096)
const second = new DoorThread()

/** Parts of memory that follow one another in the file. */
interface TakenPiece {
  /** Index of its first vector. */
  readonly first: number
  /** Vectors. */
  count: number
  /** Bytes. */
  length: number
  /** In the file, bytes. */
  readonly offset: number
  /** Read through /proc/PID/mem, see `copyToFile`. */
  readonly careful: boolean
}

/** As much of the memory as one job takes: `take` writes it down, `run` copies it. */
class Round {
  private vectorCount = 0
  private readonly list: TakenPiece[] = []
  private bytes = 0

  constructor(
    private readonly pid: number,
    private readonly fd: number,
  ) {}

  /** Takes as much of a part as there is room for. @returns bytes taken */
  take({ start, end }: Range, offset: number, careful: boolean): number {
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

  /** Copies what was taken. @returns bytes that were read in the careful way */
  run(): number {
    if (this.list.length === 0) return 0
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
    workOff(this.bytes >= WORTH_TWO)
    return this.finish()
  }

  /** Looks at what became of each piece, and copies those carefully that were not read. @throws SyscallError, FileError as `copyToFile` */
  private finish(): number {
    const states = this.list.map((_, index) => Number(pieces.view.getBigInt64(index * copyPiece.size + copyPiece.fields.state[0], true)))
    const failed = states.find((state) => state < 0)
    if (failed !== undefined) throw new FileError(errnoName(-failed), "pwrite64", "")
    using scope = new DisposableStack()
    let memory: number | undefined
    let bytes = 0
    for (const [index, { first, count, length, offset }] of this.list.entries()) {
      if (states[index] === PIECE.written) continue
      memory ??= scope.adopt(openMemory(this.pid, O.RDONLY), closeSync)
      this.copyCarefully(memory, first, count, offset)
      bytes += length
    }
    return bytes
  }

  /** Copies the vectors of one piece through /proc/PID/mem. */
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
      if (answer > 0) done += answer
      // The tool's own timer interrupts calls where the file system lets it: FUSE, NFS.
      else if (answer === 0 || errnoName(-answer) !== "EINTR")
        throw new FileError(answer === 0 ? "EIO" : errnoName(-answer), "pwrite64", "")
    }
  }
}

/** Works the job in `control` off: where there is a second thread, one reads memory while the other writes. */
function workOff(withSecond: boolean): void {
  const { address, bytes } = control
  for (const [index, at] of BUFFERS.entries())
    encodeInto(iovec, bytes, { iov_base: buffers.address + index * PIECE_ROOM, iov_len: PIECE_ROOM }, at)
  const [own, other] = BUFFERS
  if (withSecond) second.start("door_copy", address + JOB, address + other)
  copyPieces(address + JOB, address + own)
  second.join()
}

/**
 * Copies ranges of a stopped task's memory one after another into a file.
 *
 * By process_vm_readv(2) into buffers of 1 MiB, in two threads where there is much. That call pins pages: since Linux 5.19 the kernel gives
 * the task a copy of its own of each page that it shares with another process. And it stops at areas that may not be read. What is either
 * is read in the careful way, through /proc/PID/mem, which takes half as long again.
 *
 * @param fd open for writing   @param position offset of the first byte in the file
 * @param isCommon whether pages of a range may be another process's as well: they are read in the careful way
 * @returns bytes written
 * @throws SyscallError EIO not mapped · ESRCH task is gone · FileError the file cannot be written: ENOSPC, EIO · CheckpointError
 *   E_INTERRUPTED
 * Kernel: mm/process_vm_access.c process_vm_rw(), mm/gup.c gup_must_unshare(), fs/proc/base.c mem_rw()
 */
export function copyToFile(
  pid: number,
  ranges: Iterable<Range>,
  fd: number,
  position: number,
  isCommon: (range: Range) => boolean = () => false,
): number {
  let written = 0
  let carefully = 0
  let round = new Round(pid, fd)
  for (const range of ranges) {
    const careful = isCommon(range)
    for (let { start, end } = range; start < end; ) {
      const taken = round.take({ start, end }, position + written, careful)
      if (taken === 0) {
        carefully += round.run()
        round = new Round(pid, fd)
        checkInterrupt("the dump")
      }
      start += BigInt(taken)
      written += taken
    }
  }
  carefully += round.run()
  log.debug(`task ${pid}: ${written} bytes copied, ${carefully} of them through /proc/${pid}/mem`)
  return written
}
