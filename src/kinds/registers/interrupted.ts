import type { Registers } from "../../../ffi/abi/registers.x86_64.ts"
import { CLOCK_MONOTONIC } from "../../../ffi/abi/timer.ts"
import { type Syscall, syscallNumber } from "../../../ffi/syscall.ts"
import type { stasis_restart_entry } from "../../../proto/gen/stasis_pb.ts"
import { logger } from "../../base/log.ts"
import { NANOSECONDS } from "../../base/units.ts"
import {
  answeredInterrupted,
  callArguments,
  interruptedAnswer,
  interruptedCall,
  interruptedNumber,
  rewound,
} from "../../tracee/arch.x86_64.ts"
import { type ReadIfMapped, restartedNumber } from "./restarted.ts"

const log = logger("restart")

/** What becomes of a system call that the freeze interrupted. */
export interface Restart {
  /** Registers for the image: never with a -ERESTART answer. */
  readonly image: Registers
  /** Registers for the thread itself when it is let go, see FrozenThread; undefined = as they were, the kernel restarts the call. */
  readonly resume: Registers | undefined
  /** What the restore needs to arm a wait again with the time that was left. */
  readonly entry: stasis_restart_entry | undefined
}

/** Sleeps whose remaining time the kernel wrote to the program's own memory when it was interrupted: argument of that pointer. */
const SLEEPS: readonly { call: Syscall; clock: number | undefined; remaining: number }[] = [
  { call: "nanosleep", clock: undefined, remaining: 1 },
  { call: "clock_nanosleep", clock: 0, remaining: 3 },
]

/** Calls in a restart block that may simply run again: an absolute timeout is still right, a relative one begins anew. */
const REPEATED: readonly Syscall[] = ["futex", "poll", "nanosleep", "clock_nanosleep", "ppoll"]

/** Calls that the kernel ends with EINTR at every stop, and the argument that means "for ever"; then running again changes nothing. */
const ENDLESS: readonly { call: Syscall; endless: (args: readonly bigint[]) => boolean }[] = [
  { call: "epoll_wait", endless: ([, , , timeout = 0n]) => BigInt.asIntN(32, timeout) < 0n },
  { call: "epoll_pwait", endless: ([, , , timeout = 0n]) => BigInt.asIntN(32, timeout) < 0n },
  { call: "epoll_pwait2", endless: ([, , , timeout]) => timeout === 0n },
  { call: "rt_sigtimedwait", endless: ([, , timeout]) => timeout === 0n },
  { call: "semtimedop", endless: ([, , , timeout]) => timeout === 0n },
  { call: "semop", endless: () => true },
  { call: "io_getevents", endless: ([, , , , timeout]) => timeout === 0n },
]

/** The call's own number; a call that was restarted once before shows restart_syscall. */
function realNumber(registers: Registers, args: readonly bigint[], read: ReadIfMapped): number | undefined {
  const number = interruptedNumber(registers)
  return number === syscallNumber("restart_syscall") ? restartedNumber(registers.ip, args, read) : number
}

/** Whether a call is a sleep that can be armed again with the time that was left. */
export const isTimedSleep = (number: number): boolean => SLEEPS.some(({ call }) => syscallNumber(call) === number)

/** Address at which the program has the time that was left of a sleep; 0 = it did not ask for it. Precondition: an entry with a time. */
export const remainderOf = ({ syscall_nr, args }: stasis_restart_entry): bigint =>
  args[SLEEPS.find(({ call }) => syscallNumber(call) === syscall_nr)?.remaining ?? args.length] ?? 0n

function remainingTime(number: number, args: readonly bigint[], read: ReadIfMapped): stasis_restart_entry | undefined {
  const sleep = SLEEPS.find(({ call }) => syscallNumber(call) === number)
  const pointer = sleep && args[sleep.remaining]
  const bytes = pointer ? read(pointer, 16) : undefined
  if (!sleep || !bytes) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const seconds = view.getBigInt64(0, true)
  const nanoseconds = view.getBigInt64(8, true)
  if (seconds < 0n || nanoseconds < 0n || nanoseconds >= NANOSECONDS) return undefined
  const clock = sleep.clock === undefined ? undefined : args[sleep.clock]
  return {
    syscall_nr: number,
    clock_id: Number(clock ?? CLOCK_MONOTONIC),
    remaining_sec: seconds,
    remaining_nsec: Number(nanoseconds),
    args: [...args],
  }
}

/**
 * Decides how an interrupted system call goes on in the image and in the thread.
 *
 * - Restarted from the start by the kernel (read, futex without timeout ...): rewound in the image too.
 * - In a restart block, time left known (a sleep with a remainder pointer): EINTR in CRIU's image, the time left in ours, so that our
 *   restore arms it again and CRIU's callers see a remainder.
 * - In a restart block, absolute or unknown time left: rewound. A relative timeout begins anew: later than asked, never EINTR.
 * - Ended with EINTR only because of us, and endless: rewound, in the thread too.
 *
 * @param signalled an unblocked signal is pending: then an EINTR is the signal's, not ours
 * Kernel: arch/x86/kernel/signal.c, kernel/time/hrtimer.c do_nanosleep(), fs/select.c, kernel/futex/waitwake.c, fs/eventpoll.c ep_poll()
 */
export function decideRestart(tid: number, registers: Registers, signalled: boolean, read: ReadIfMapped): Restart {
  const kind = interruptedCall(registers)
  const args = callArguments(registers)
  if (kind === "restart") return { image: rewound(registers), resume: undefined, entry: undefined }
  if (kind === "restart-block") {
    const number = realNumber(registers, args, read)
    const entry = number === undefined ? undefined : remainingTime(number, args, read)
    if (entry) return { image: interruptedAnswer(registers), resume: undefined, entry }
    if (number !== undefined && REPEATED.some((call) => syscallNumber(call) === number))
      return { image: rewound(registers, BigInt(number)), resume: undefined, entry: undefined }
    log.warn(`thread ${tid}: which call was interrupted at 0x${registers.ip.toString(16)} is not known: when restored it answers EINTR`)
    return { image: interruptedAnswer(registers), resume: undefined, entry: undefined }
  }
  const endless = ENDLESS.find(({ call }) => syscallNumber(call) === interruptedNumber(registers))
  if (answeredInterrupted(registers) && !signalled && endless?.endless(args)) {
    const again = rewound(registers)
    return { image: again, resume: again, entry: undefined }
  }
  return { image: registers, resume: undefined, entry: undefined }
}
