import { ERRNO } from "./errno.ts"
import { doorExists, doorFlag, type KernelMemory, kernel, memoryAt } from "./kernel.ts"
import { NUMBER as AARCH64 } from "./numbers.aarch64.ts"
import { NUMBER as X86_64 } from "./numbers.x86_64.ts"
import { lackOfCall } from "./without.ts"

export type Syscall = keyof typeof X86_64 | keyof typeof AARCH64
export type Errno = (typeof ERRNO)[keyof typeof ERRNO][0]
export type Argument = number | bigint

const NUMBER: Readonly<Partial<Record<Syscall, number>>> = process.arch === "arm64" ? AARCH64 : X86_64
const NO_SUCH_CALL = 0xffff // every architecture answers ENOSYS
const MAX_ERRNO = 4095

/** Number of a system call on this machine; one that the architecture lacks gives a number that the kernel answers with ENOSYS. */
export const syscallNumber = (call: Syscall): number => NUMBER[call] ?? NO_SUCH_CALL

let names: ReadonlyMap<number, Syscall> | undefined
/** Name of a system call number, for messages; "syscall_N" when unknown. */
export function syscallName(number: number): string {
  names ??= new Map(Object.entries(NUMBER).map(([name, value]) => [value, name as Syscall]))
  return names.get(number) ?? `syscall_${number}`
}

/** Name of an errno such as "ENOENT". */
export const errnoName = (errno: number): Errno => (ERRNO[errno as keyof typeof ERRNO]?.[0] ?? `errno ${errno}`) as Errno
/** What an errno means, in words. */
export const errnoMeaning = (errno: string): string => Object.values(ERRNO).find(([name]) => name === errno)?.[1] ?? "not a known error"

/** The kernel refused a call. Data for code: branch on `errno`. `where` says which task ran it when it was not this process. */
export class SyscallError extends Error {
  override readonly name = "SyscallError"
  constructor(
    readonly call: string,
    readonly errno: Errno,
    readonly args: readonly Argument[],
    readonly where = "",
  ) {
    const shown = args.map((value) => (value < 0 ? `${value}` : `0x${value.toString(16)}`)).join(", ")
    super(`${call}(${shown})${where} answered ${errno}: ${errnoMeaning(errno)}`)
  }
}

/** True when `answer` is -errno. */
export const isFailure = (answer: number): boolean => answer < 0 && answer >= -MAX_ERRNO

/**
 * Runs one system call in this process and returns the answer, failures as -errno.
 *
 * For calls whose failure is an answer. Answers are numbers: exact up to 2^53, which covers every user address.
 */
export function attempt(
  call: Syscall,
  a: Argument = 0,
  b: Argument = 0,
  c: Argument = 0,
  d: Argument = 0,
  e: Argument = 0,
  f: Argument = 0,
): number {
  const errno = lackOfCall?.(call, a, b, c, d)
  return errno === undefined ? Number(kernel(NUMBER[call] ?? NO_SUCH_CALL, a, b, c, d, e, f)) : -errno
}

const EINTR = 4

/**
 * Runs one system call in this process and returns the kernel's answer. One that was interrupted is made again, for the tool's own timer
 * interrupts what waits; unless the user has asked the tool to stop.
 *
 * @throws SyscallError
 */
export function syscall(call: Syscall, ...args: Argument[]): number {
  for (;;) {
    const answer = attempt(call, args[0], args[1], args[2], args[3], args[4], args[5])
    if (!isFailure(answer)) return answer
    // close(2) has closed all the same.
    if (answer === -EINTR && call === "close") return 0
    if (answer !== -EINTR || doorFlag() !== 0) throw new SyscallError(call, errnoName(-answer), args)
  }
}

/** Where no door into the kernel exists: ordinary memory without an address. Modules load, and every call answers ENOSYS. */
function withoutDoor(size: number): KernelMemory {
  const buffer = new ArrayBuffer(size)
  return { address: 0, bytes: new Uint8Array(buffer), view: new DataView(buffer) }
}

/**
 * Memory that is mapped when it is first used, as most of it never is in one run. What JavaScript sees of it counts for the engine as if it
 * were on its heap: megabytes of rooms would make it collect garbage in the freeze. So that is made later still.
 */
class Room implements KernelMemory {
  private mapped: number | undefined
  private seen: KernelMemory | undefined
  constructor(private readonly size: number) {}

  get address(): number {
    if (this.mapped === undefined)
      this.mapped = doorExists
        ? syscall("mmap", 0, this.size, 3 /* PROT_READ|PROT_WRITE */, 0x22 /* MAP_PRIVATE|MAP_ANONYMOUS */, -1, 0)
        : 0
    return this.mapped
  }
  private get memory(): KernelMemory {
    if (this.seen === undefined) this.seen = doorExists ? memoryAt(this.address, this.size) : withoutDoor(this.size)
    return this.seen
  }
  get bytes(): Uint8Array {
    return this.memory.bytes
  }
  get view(): DataView {
    return this.memory.view
  }
}

/** Bytes of our own that the kernel may read and write: page-aligned, zeroed, never freed. Meant for a few long-lived buffers. */
export const allocate = (bytes: number): KernelMemory => new Room(Math.max(4096, Math.ceil(bytes / 4096) * 4096))

const paths = allocate(8192)
let pathsText: Buffer | undefined
/** Writes a NUL-terminated path into a shared buffer and returns its address; valid until the next call. At most 4095 bytes. */
export function pathArgument(path: string): number {
  pathsText ??= Buffer.from(paths.bytes.buffer)
  const length = pathsText.write(path, 0, 4095)
  paths.bytes[length] = 0
  return paths.address
}
