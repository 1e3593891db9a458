import { timespec } from "../../ffi/abi/timer.ts"
import { encodeInto } from "../../ffi/layout.ts"
import { allocate, attempt, SyscallError, syscallNumber } from "../../ffi/syscall.ts"
import { logger } from "../base/log.ts"
import { type Mapping, readMapsIfAlive } from "../proc/maps.ts"
import { interruptedNumber } from "./arch.x86_64.ts"
import { type Seizure, settle, stopAll, type TaskLists } from "./seize.ts"
import { getPosition, tryPtrace } from "./trace.ts"
import type { Deadline } from "./wait.ts"

const log = logger("freeze")

/** What functions of the vdso call where they do not know the answer themselves. Kernel: lib/vdso/ */
const CALLS: ReadonlySet<number> = new Set(
  (["clock_gettime", "gettimeofday", "time", "getcpu", "clock_getres", "getrandom"] as const).map(syscallNumber),
)

/** Threads run this many times at least. One that does nothing but read the clock is found inside at nine looks of ten or more. */
const TRIES = 64
/** They are tried for this long at least, ms. */
const BUDGET = 100
/** How long they run at the first try, ns: a random time between these two, so that tries do not keep step with a thread's own loop. */
const [SHORTEST, LONGEST] = [20_000, 120_000]
/** By how much each try is longer than the one before, up to so many ns: on a slow machine a thread has hardly begun after a short one. */
const [GROWTH, MOST] = [1.1, 5_000_000]

const moment = allocate(timespec.size)

/** Where a thread stands if it may be in the vdso; undefined when it sleeps in a call that no vdso makes, or was killed. */
function suspectIp(tid: number): bigint | undefined {
  try {
    const position = getPosition(tid)
    const isInCall = BigInt.asIntN(64, position.orig_ax) >= 0n
    return !isInCall || CALLS.has(interruptedNumber(position)) ? position.ip : undefined
  } catch (error) {
    if (error instanceof SyscallError && error.errno === "ESRCH") return undefined
    throw error
  }
}

/** Threads of one process that stand inside its vdso. */
interface Inside {
  readonly seizure: Seizure
  readonly code: Pick<Mapping, "start" | "end">
  readonly tids: readonly number[]
}

const isIn = ({ start, end }: Inside["code"], ip: bigint | undefined): boolean => ip !== undefined && ip >= start && ip < end

function findInside(seizure: Seizure): Inside[] {
  const { pid, seized, stopSignal } = seizure
  // A stopped process would not run, or would not be stopped any more.
  if (stopSignal !== 0) return []
  const suspects = [...seized].map((tid) => ({ tid, ip: suspectIp(tid) })).filter(({ ip }) => ip !== undefined)
  // Most sleep: nothing else is read for those.
  const code = suspects.length > 0 ? readMapsIfAlive(pid)?.find(({ path }) => path === "[vdso]") : undefined
  const tids = code ? suspects.filter(({ ip }) => isIn(code, ip)).map(({ tid }) => tid) : []
  return code && tids.length > 0 ? [{ seizure, code, tids }] : []
}

/** Lets stopped threads go on for a moment, and stops them again. Nobody has changed anything in them. */
function letOn(inside: readonly Inside[], tries: number, deadline: Deadline): void {
  for (const { tids } of inside) for (const tid of tids) tryPtrace("CONT", tid)
  encodeInto(timespec, moment.bytes, {
    tv_sec: 0n,
    tv_nsec: BigInt(Math.floor(Math.min(MOST, GROWTH ** tries * (SHORTEST + Math.random() * (LONGEST - SHORTEST))))),
  })
  attempt("nanosleep", moment.address, 0)
  for (const { seizure, tids } of inside)
    for (const tid of tids) {
      tryPtrace("INTERRUPT", tid)
      seizure.moving.push(tid)
    }
  for (const { seizure } of inside) settle(seizure, deadline)
}

/**
 * Brings stopped threads out of the vdso: another kernel has another one, in which nobody can go on.
 *
 * @returns whether any thread ran: who made new threads or processes meanwhile must be looked at again
 * @throws CheckpointError E_TIMEOUT · E_INTERRUPTED
 * Precondition: nothing was read of the threads yet that must stay as it is.
 */
export function stepAside(seizures: Iterable<Seizure>, deadline: Deadline, lists: TaskLists): boolean {
  const found = [...seizures].flatMap(findInside)
  let inside = found
  let tries = 0
  for (const until = performance.now() + BUDGET; inside.length > 0 && (tries < TRIES || performance.now() < until); tries++) {
    letOn(inside, tries, deadline)
    inside = inside
      .map(({ seizure, code, tids }) => {
        const left = tids.filter((tid) => seizure.seized.has(tid) && seizure.stopSignal === 0 && isIn(code, suspectIp(tid)))
        return { seizure, code, tids: left }
      })
      .filter(({ tids }) => tids.length > 0)
  }
  for (const { seizure } of found) stopAll(seizure, deadline, lists)
  for (const tid of inside.flatMap(({ tids }) => tids))
    log.warn(`thread ${tid} was inside the vdso ${tries + 1} times: its images can be restored on a kernel with the same vdso only`)
  return found.length > 0
}
