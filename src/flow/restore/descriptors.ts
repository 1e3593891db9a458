import { F } from "../../../ffi/abi/file.ts"
import { attempt, errnoName, SyscallError } from "../../../ffi/syscall.ts"

/**
 * Descriptor numbers for our own use in a process under restore: none of them is a number that the process had.
 *
 * The tool makes copies at these numbers without close-on-exec just before the seed is started, which inherits them; the restore program
 * closes them at its end.
 */
export class ServiceDescriptors implements Disposable {
  private readonly taken: Set<number>
  private readonly copies: number[] = []

  /** @param wanted numbers that the process had */
  constructor(wanted: Iterable<number>) {
    this.taken = new Set(wanted)
  }

  /** Standard descriptors stay free. */
  private last = 2

  private next(): number {
    // Our own open ones cannot be used: F.DUPFD takes the first free number from here on.
    do this.last++
    while (this.taken.has(this.last) || attempt("fcntl", this.last, F.GETFD) >= 0)
    return this.last
  }

  /** A copy of `fd` that the seed inherits; its number here and there. */
  share(fd: number): number {
    const number = this.next()
    const copy = attempt("fcntl", fd, F.DUPFD, number)
    if (copy < 0) {
      const errno = errnoName(-copy)
      // How this call says that the number is beyond RLIMIT_NOFILE. Man page: fcntl(2)
      throw new SyscallError("fcntl", errno === "EINVAL" ? "EMFILE" : errno, [fd, F.DUPFD, number])
    }
    if (copy !== number) throw new Error(`Unreachable: descriptor ${number} was free`)
    this.taken.add(number)
    this.copies.push(number)
    return number
  }

  /** Closes our copy at this number now: the seed, which has been started, keeps its own. */
  forget(number: number): void {
    const at = this.copies.indexOf(number)
    if (at < 0) throw new Error(`Unreachable: descriptor ${number} was not shared`)
    attempt("close", number)
    this.copies.splice(at, 1)
    this.reserved.push(number)
  }

  /** A number that is free in the new process, for a descriptor that it opens itself. */
  reserve(): number {
    const number = this.next()
    this.taken.add(number)
    this.reserved.push(number)
    return number
  }
  private readonly reserved: number[] = []

  /** All numbers of ours, ascending. */
  get numbers(): number[] {
    return [...this.copies, ...this.reserved].sort((a, b) => a - b)
  }

  /** Closes the tool's copies: the seed has its own. */
  [Symbol.dispose](): void {
    for (const fd of this.copies.splice(0)) attempt("close", fd)
  }
}

/** Descriptor numbers as ranges, both ends included, for close_range(2). */
export function runsOf(numbers: readonly number[]): [first: number, last: number][] {
  const runs: [number, number][] = []
  for (const fd of [...numbers].sort((a, b) => a - b)) {
    const run = runs.at(-1)
    if (run && run[1] + 1 === fd) run[1] = fd
    else runs.push([fd, fd])
  }
  return runs
}

/** Ranges of descriptor numbers outside `kept`, both ends included, for close_range(2). */
export function rangesOutside(kept: readonly number[]): [first: number, last: number][] {
  const ranges: [number, number][] = []
  let from = 0
  for (const fd of [...kept].sort((a, b) => a - b)) {
    if (fd > from) ranges.push([from, fd - 1])
    from = fd + 1
  }
  return [...ranges, [from, 0xffffffff]]
}
