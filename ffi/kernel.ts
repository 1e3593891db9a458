/**
 * The only file that knows bun:ffi: memory with addresses, and the door into the kernel.
 *
 * System calls go through a page of our own machine code (ffi/stub/door.ARCH.S), not through libc: the answer is -errno itself,
 * and glibc and musl builds run the same code. libc is asked once, for mmap and mprotect, to make that page.
 */
import { CFunction, dlopen, FFIType, type Pointer, ptr, toArrayBuffer } from "bun:ffi"
import { door as doorX86_64 } from "./stub/gen/x86_64.ts"

/** CPU architectures by Node's name; undefined where no stub exists yet. */
const DOORS = { x64: doorX86_64, arm64: undefined } as const

const door = DOORS[process.arch as keyof typeof DOORS]

/** Memory that the kernel sees: at a fixed address, never moved, never freed. */
export interface KernelMemory {
  readonly address: number
  readonly bytes: Uint8Array
  readonly view: DataView
}

const LIBC = ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1", "libc.so"] as const
const PROT_READ_WRITE = 3
const PROT_READ_EXEC = 5
const MAP_PRIVATE_ANONYMOUS = 0x22
const PAGE = 4096

type Answer = number | bigint
type RawCall = (nr: number, a: Answer, b: Answer, c: Answer, d: Answer, e: Answer, f: Answer) => Answer

function openLibc() {
  for (const name of LIBC) {
    try {
      return dlopen(name, {
        mmap: { args: ["u64", "u64", "i32", "i32", "i32", "i64"], returns: "ptr" },
        mprotect: { args: ["u64", "u64", "i32"], returns: "i32" },
      }).symbols
    } catch {
      // the next name is another libc's
    }
  }
  throw new Error(`none of ${LIBC.join(", ")} can be called`)
}

/** Maps the door page. Its flag word lives in the page behind it, which stays writable. */
function openDoor({ code, symbols }: typeof doorX86_64): { page: number; flag: KernelMemory } {
  const libc = openLibc()
  const page = Number(libc.mmap(0, 2 * PAGE, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0))
  const flag = memoryAt(page + PAGE, PAGE)
  const { bytes, view } = memoryAt(page, PAGE)
  bytes.set(Buffer.from(code, "base64"))
  view.setBigUint64(symbols.door_flag, BigInt(flag.address), true)
  if (libc.mprotect(page, PAGE, PROT_READ_EXEC) !== 0) throw new Error("mprotect makes no page executable")
  return { page, flag }
}

/** What keeps this process from machine code of its own: bun:ffi makes some to call libc, and the door is some. */
let failure: string | undefined

function tryDoor(code: typeof doorX86_64): ReturnType<typeof openDoor> | undefined {
  try {
    return openDoor(code)
  } catch (error) {
    failure = String(error)
    return undefined
  }
}

/** A view of this process's own memory. Precondition: the range is mapped and stays mapped. */
export function memoryAt(address: number, size: number): KernelMemory {
  const buffer = toArrayBuffer(address as Pointer, 0, size)
  return { address, bytes: new Uint8Array(buffer), view: new DataView(buffer) }
}

/** Address of an array's first byte now. Nothing holds it there: good for telling which part of memory arrays are in. */
export const addressOf = (bytes: Uint8Array): number => Number(ptr(bytes))

const opened = door && tryDoor(door)

/** True where this process can call the kernel at all; false on architectures without a stub, and where it may make no machine code. */
export const doorExists = opened !== undefined

/** Why there is no door although this build has one. */
export const doorFailure = failure

const entry = (symbol: keyof typeof doorX86_64.symbols): number => {
  if (!opened || !door) throw new Error(`No kernel door for architecture ${process.arch}: this build can only show images`)
  return opened.page + door.symbols[symbol]
}

/** Addresses in the door page, for sigaction: handlers and the signal return. */
export const doorHandlers = {
  /** Stores the signal's number in `doorFlag`. */
  interrupt: (): number => entry("door_interrupt"),
  /** Does nothing: a blocking call answers EINTR. */
  tick: (): number => entry("door_tick"),
  restorer: (): number => entry("door_restorer"),
} as const

/** Number of the last interrupting signal, 0 while there was none. Written by the handler. */
export const doorFlag = (): number => opened?.flag.view.getInt32(0, true) ?? 0

/** Forgets the signal that `doorFlag` tells. */
export const clearDoorFlag = (): void => opened?.flag.view.setInt32(0, 0, true)

const raw: RawCall = opened
  ? (CFunction({
      ptr: entry("door_syscall") as Pointer,
      args: ["i64", "i64", "i64", "i64", "i64", "i64", "i64"],
      returns: FFIType.i64_fast,
    }) as unknown as RawCall)
  : () => -38 // ENOSYS

/**
 * Runs one system call and returns the kernel's raw answer: -4095 to -1 is -errno.
 *
 * Answers beyond 2^53 come as bigint. Arguments may be numbers up to 2^53 or bigints; negative numbers are sign-extended.
 */
export const kernel = (nr: number, a: Answer = 0, b: Answer = 0, c: Answer = 0, d: Answer = 0, e: Answer = 0, f: Answer = 0): Answer =>
  raw(nr, a, b, c, d, e, f)

/** A function of the door page, made at its first call: not every build has a door. */
function lazily(symbol: keyof typeof doorX86_64.symbols, args: readonly FFIType[], returns: FFIType): (...args: number[]) => Answer {
  let call: ((...args: number[]) => Answer) | undefined
  return (...values) => {
    call ??= CFunction({ ptr: entry(symbol) as Pointer, args: [...args], returns }) as unknown as (...args: number[]) => Answer
    return call(...values)
  }
}

const { u32, u64, i64_fast } = FFIType
const spawn = lazily("door_spawn", [u64, u64, u64], i64_fast)
const runInThread = lazily("door_beside", [u64, u64, u64, u64, u64], i64_fast)
const readFile = lazily("door_read", [u64, u64, u64], i64_fast)
const listNumbers = lazily("door_numbers", [u64, u64, u64, u64, u64], i64_fast)
const callInProcess = lazily("door_call_aside", [u64, u64, u64, u64], i64_fast)

/**
 * Starts a program in a vfork-like child by clone3.
 *
 * @param cloneArgs address of a struct clone_args with CLONE_VM | CLONE_VFORK, `size` bytes
 * @param image address of eight u64: descriptor, path, argv, envp and flags of execveat; struct clone_args and its size for a child of the
 *   child, which is then the one that execs, or 0; room for that one's PID or -errno
 * @returns the child's PID, or -errno of clone3. A failing exec is a child that exits with 127.
 *
 * Precondition: every signal is blocked in this thread, so that no handler runs in the child while it borrows our memory.
 */
export const spawnChild = (cloneArgs: number, size: number, image: number): number => Number(spawn(cloneArgs, size, image))

/**
 * Reads a file from its start, until its end or until the room is full.
 *
 * @param path address of a NUL-terminated path   @param into address of `size` bytes of room
 * @returns bytes read, `size` when there may be more, or -errno
 */
export const readWhole = (path: number, into: number, size: number): number => Number(readFile(path, into, size))

/**
 * The names in a directory that are decimal numbers, in its order, as u32.
 *
 * @param path address of a NUL-terminated path   @param into address of room for `most` numbers
 * @param room address of `size` bytes for what the kernel says of them
 * @returns how many, `most` when there may be more, or -errno
 */
export const readNumbers = (path: number, into: number, most: number, room: number, size: number): number =>
  Number(listNumbers(path, into, most, room, size))

/**
 * Copies memory of a process into a file, until no piece of the job is left.
 *
 * @param job address of a `copyJob`   @param buffer address of an iovec: room for the longest piece, this thread's alone
 */
export const copyPieces: (job: number, buffer: number) => void = lazily("door_copy", [u64, u64], FFIType.void)

/**
 * Looks at descriptors of processes, until no item of a chain of jobs is left.
 *
 * @param job address of the first `lookJob`   @param scratch address of LOOK_SCRATCH bytes, this thread's alone
 */
export const lookAtItems: (job: number, scratch: number) => void = lazily("door_look", [u64, u64], FFIType.void)

/**
 * `copyPieces` or `lookAtItems` in a thread of its own, made by clone3, which ends when nothing is left.
 *
 * @param cloneArgs address of a struct clone_args with CLONE_THREAD and a stack, `size` bytes
 * @param job, own their arguments
 * @returns its thread ID, or -errno
 */
export const runBeside = (cloneArgs: number, size: number, work: "door_copy" | "door_look", job: number, own: number): number =>
  Number(runInThread(cloneArgs, size, entry(work), job, own))

/**
 * Makes system calls, one after the other, in a process of its own, which has our memory, and ends: for calls that may never come back, and
 * for an exec, which does not when it succeeds.
 *
 * @param cloneArgs address of a struct clone_args with CLONE_VM, `size` bytes   @param calls address of `count` `asideCall`s
 * @returns its PID, or -errno of clone3
 *
 * Precondition: every signal is blocked in this thread, so that no handler runs in the other, which has this one's stack.
 */
export const callAside = (cloneArgs: number, size: number, calls: number, count: number): number =>
  Number(callInProcess(cloneArgs, size, calls, count))

/**
 * Asks a socket for options, each into its slot of 64 bytes: see `optionSlot` of ./stub/record.ts.
 *
 * @param list address of `count` pairs of u32, level and name   @param slots address of `count` slots, zeros
 */
export const readOptions: (fd: number, list: number, count: number, slots: number) => void = lazily(
  "door_options",
  [u32, u64, u64, u64],
  FFIType.void,
)

/**
 * What the CPU says of itself.
 *
 * @param out address of 16 bytes for eax, ebx, ecx, edx
 */
export const cpuid: (leaf: number, subleaf: number, out: number) => void = lazily("door_cpuid", [u32, u32, u64], FFIType.void)
