import { kernelSigaction, SA, SIG, sigbit } from "./abi/signal.ts"
import { CLOCK_MONOTONIC, SIGEV } from "./abi/timer.ts"
import { clearDoorFlag, doorFlag, doorHandlers } from "./kernel.ts"
import { encode } from "./layout.ts"
import { allocate, attempt, syscall } from "./syscall.ts"

/** Sent by our own timer; a real-time signal that neither libc nor JavaScriptCore uses. */
const TICK = 50
const TICK_NANOSECONDS = 20_000_000n
const STOPPERS = [SIG.INT, SIG.TERM, SIG.HUP, SIG.QUIT] as const
const memory = allocate(4096)

function setHandler(signal: number, handler: number): Uint8Array {
  memory.bytes.set(
    encode(kernelSigaction, {
      sa_handler: handler,
      sa_flags: SA.RESTORER | SA.ONSTACK,
      sa_restorer: doorHandlers.restorer(),
      sa_mask: sigbit(TICK),
    }),
  )
  syscall("rt_sigaction", signal, memory.address, memory.address + 32, 8)
  return memory.bytes.slice(32, 64)
}

/**
 * While this scope lives, SIGINT, SIGTERM, SIGHUP and SIGQUIT do not end the tool: they are noted, `interruptedBy` tells them, and blocking
 * calls of this thread answer EINTR at least every 20 ms, so that a wait can look at its deadline. Disposal puts the handlers back.
 *
 * Kernel: sigaction(2), timer_create(2) with SIGEV_THREAD_ID. Precondition: called on the main thread, once at a time.
 */
export function holdInterrupts(): Disposable {
  // A file that outgrows RLIMIT_FSIZE shall be an error of the write, not the end of the tool.
  const before = [...STOPPERS, TICK, SIG.XFSZ].map(
    (signal) =>
      [signal, setHandler(signal, signal === TICK || signal === SIG.XFSZ ? doorHandlers.tick() : doorHandlers.interrupt())] as const,
  )
  const { address, view } = memory
  memory.bytes.fill(0, 0, 128)
  view.setInt32(8, TICK, true) //            sigev_signo
  view.setInt32(12, SIGEV.THREAD_ID, true)
  view.setInt32(16, syscall("gettid"), true)
  syscall("timer_create", CLOCK_MONOTONIC, address, address + 64)
  const timer = view.getInt32(64, true)
  for (const at of [8, 24]) view.setBigUint64(at, TICK_NANOSECONDS, true)
  for (const at of [0, 16]) view.setBigUint64(at, 0n, true)
  syscall("timer_settime", timer, 0, address, 0)
  return {
    [Symbol.dispose]() {
      attempt("timer_delete", timer)
      for (const [signal, action] of before) {
        memory.bytes.set(action)
        attempt("rt_sigaction", signal, memory.address, 0, 8)
      }
    },
  }
}

const SIG_DFL = 0
const SIG_IGN = 1
/**
 * From now on ^C and ^\ at the terminal do not end the tool: for waiting for a program that gets them too and decides, as system(3) does.
 * Nor does the tool stop when it gives the terminal to another process group (SIGTTOU).
 */
export function leaveKeyboardToJob(): void {
  for (const signal of [SIG.INT, SIG.QUIT, SIG.TTOU]) setHandler(signal, SIG_IGN)
}

/** Takes a step of which the kernel tells the tool by SIGHUP: that is not heard. */
export function withoutHangup<T>(step: () => T): T {
  const before = setHandler(SIG.HUP, SIG_IGN)
  try {
    return step()
  } finally {
    memory.bytes.set(before)
    syscall("rt_sigaction", SIG.HUP, memory.address, 0, 8)
  }
}

/**
 * Takes back an ignored SIGCHLD, which is inherited through exec: the kernel reaps our children by itself then, and nobody learns how they
 * ended. Man page: sigaction(2). Precondition: called before the child is started.
 */
export function expectChildren(): void {
  const { address, view } = memory
  syscall("rt_sigaction", SIG.CHLD, 0, address + 32, 8)
  if (view.getBigUint64(32, true) === BigInt(SIG_IGN)) setHandler(SIG.CHLD, SIG_DFL)
}

/** Number of the signal that asked the tool to stop, 0 while there was none. */
export const interruptedBy = (): number => doorFlag()

/** The same; the next call tells of later ones alone. */
export function takeInterrupt(): number {
  const signal = doorFlag()
  if (signal !== 0) clearDoorFlag()
  return signal
}

/**
 * Does nothing for a moment, between two looks at something that is about to change. It may be over sooner: any signal ends it, the tool's
 * own timer too.
 */
export const pause = (milliseconds: number): void => void attempt("poll", 0, 0, milliseconds)
