import { FUTEX } from "../../../ffi/abi/futex.ts"
import { type Syscall, syscallNumber } from "../../../ffi/syscall.ts"
import { NANOSECONDS } from "../../base/units.ts"
import { CALL_LOAD_SIZE, loadedNumber, SYSCALL_SIZE } from "../../tracee/arch.x86_64.ts"

/** Reads the tracee's memory; undefined where nothing is mapped. */
export type ReadIfMapped = (address: bigint, length: number) => Uint8Array | undefined

/** What a call's arguments, as the thread still has them, must be for the call to wait with them for a time. */
type Fits = (args: readonly bigint[], read: ReadIfMapped) => boolean

const TIMESPEC_SIZE = 16
const POLLFD_SIZE = 8
/** More descriptors than fs.nr_open lets a process have, unless it was raised. Kernel: fs/file.c sysctl_nr_open */
const MOST_DESCRIPTORS = 1 << 20
const TIMER_ABSTIME = 1n
/** CLOCK_TAI; those of processes and threads are negative. Header: include/uapi/linux/time.h */
const LAST_CLOCK = 11

const int = (value = 0n): number => Number(BigInt.asIntN(32, value))
/** Whether a register holds an int, with or without its sign, and not an address. */
const isInt = (value = 0n): boolean => [0n, 0xffff_ffffn].includes(BigInt.asUintN(64, value) >> 32n)
const readable = (address: bigint, length: number, read: ReadIfMapped): boolean => read(address, length) !== undefined

/** A time that one can wait for: more than none, with nanoseconds that the kernel takes. */
function isTime(address: bigint, read: ReadIfMapped): boolean {
  const bytes = address === 0n ? undefined : read(address, TIMESPEC_SIZE)
  if (!bytes) return false
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const [seconds, nanoseconds] = [view.getBigInt64(0, true), view.getBigInt64(8, true)]
  return seconds >= 0n && nanoseconds >= 0n && nanoseconds < NANOSECONDS && seconds + nanoseconds > 0n
}

const isRemainder = (address: bigint, read: ReadIfMapped): boolean => address === 0n || readable(address, TIMESPEC_SIZE, read)

const WAITS: readonly number[] = [FUTEX.WAIT, FUTEX.WAIT_BITSET]

/** Whatever the word's value is by now: asked again, the kernel compares it as it would have done. */
const isFutex: Fits = ([word = 0n, operation, , time = 0n], read) =>
  WAITS.includes(int(operation) & ~(FUTEX.PRIVATE_FLAG | FUTEX.CLOCK_REALTIME)) &&
  word % 4n === 0n &&
  readable(word, 4, read) &&
  isTime(time, read)

function isPoll([descriptors = 0n, count, timeout]: readonly bigint[], read: ReadIfMapped): boolean {
  const number = int(count)
  if (number < 0 || number > MOST_DESCRIPTORS || !isInt(timeout) || int(timeout) === 0) return false
  return number === 0 || readable(descriptors, number * POLLFD_SIZE, read)
}

/** All calls that leave a restart block. Kernel: who calls set_restart_fn(), and kernel/futex/waitwake.c futex_wait() */
const IN_RESTART_BLOCK: readonly { call: Syscall; fits: Fits }[] = [
  { call: "futex", fits: isFutex },
  { call: "poll", fits: isPoll },
  { call: "nanosleep", fits: ([time = 0n, rest = 0n], read) => isTime(time, read) && isRemainder(rest, read) },
  {
    call: "clock_nanosleep",
    fits: ([clock = 0n, flags = 0n, time = 0n, rest = 0n], read) =>
      int(clock) <= LAST_CLOCK &&
      !readable(clock, 1, read) &&
      (flags & TIMER_ABSTIME) === 0n &&
      isTime(time, read) &&
      isRemainder(rest, read),
  },
]

/**
 * The call that a thread is in which the kernel has restarted before, by restart_syscall: after an earlier dump, a SIGSTOP, a debugger.
 * The kernel tells nobody which one it was. The code in front of the call does where it loads a constant; where it loads a register (the
 * waits of musl, those of glibc since 2.41, syscall(3)), it is the only one for which the arguments make sense.
 *
 * @param ip behind the call's instruction
 * @returns its number; undefined when none or several can be meant
 */
export function restartedNumber(ip: bigint, args: readonly bigint[], read: ReadIfMapped): number | undefined {
  const code = read(ip - SYSCALL_SIZE - BigInt(CALL_LOAD_SIZE), CALL_LOAD_SIZE)
  const loaded = code && loadedNumber(code)
  if (loaded !== undefined) return loaded
  const [only, ...others] = IN_RESTART_BLOCK.filter(({ fits }) => fits(args, read))
  return only && others.length === 0 ? syscallNumber(only.call) : undefined
}
