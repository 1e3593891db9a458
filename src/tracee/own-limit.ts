import { rlimit64 } from "../../ffi/abi/resource.ts"
import { holdInterrupts } from "../../ffi/interrupt.ts"
import { decode, encode } from "../../ffi/layout.ts"
import { allocate, attempt, errnoName } from "../../ffi/syscall.ts"
import { errnoOf } from "../base/errno.ts"
import { CheckpointError } from "../base/errors.ts"
import { logger } from "../base/log.ts"
import { LIMIT } from "../proc/limits.ts"

const log = logger("limits")
const memory = allocate(4096)
const SET = 64

/** What a call that lacks a descriptor of the tool's means for what was being done; undefined for other failures. */
export function lackOfDescriptors(action: string, cause: unknown): CheckpointError | undefined {
  const errno = errnoOf(cause)
  if (errno !== "EMFILE" && errno !== "ENFILE") return undefined
  const [found, next] =
    errno === "EMFILE"
      ? ["stasis may not have as many files open as it takes (RLIMIT_NOFILE)", "Raise the limit of stasis: ulimit -n"]
      : ["no more files may be open on this machine", "Raise /proc/sys/fs/file-max"]
  return new CheckpointError("E_KERNEL", action, found, next, cause)
}

/**
 * As `holdInterrupts`, whose timer takes one of the signals that all processes of a user may have queued together.
 *
 * @throws CheckpointError E_KERNEL none is left   Man page: timer_create(2)
 */
export function holdInterruptsFor(action: string): Disposable {
  try {
    return holdInterrupts()
  } catch (cause) {
    if (errnoOf(cause) !== "EAGAIN") throw cause
    const found = "stasis may have no timer: timers and queued signals of its user are as many as it may have (RLIMIT_SIGPENDING)"
    throw new CheckpointError("E_KERNEL", action, found, "Raise the limit of stasis: ulimit -i", cause)
  }
}

/** Descriptors that the tool has open beside those that it was asked about. */
const OWN = 256

/**
 * Lets the tool, and what it starts, have as many more descriptors open as a tree's size asks for, above its soft limit and, with
 * CAP_SYS_RESOURCE, above its hard limit. Where that is not allowed, the call that lacks a descriptor says so, see `lackOfDescriptors`.
 * Disposal puts the limits back.
 *
 * @param count descriptors that will be open at once   Man page: prlimit(2)
 */
export function roomForDescriptors(count: number): Disposable {
  const wanted = BigInt(count + OWN)
  if (attempt("prlimit64", 0, LIMIT.NOFILE, 0, memory.address) < 0) return { [Symbol.dispose]() {} }
  const before = decode(rlimit64, memory.bytes)
  if (before.rlim_cur >= wanted) return { [Symbol.dispose]() {} }
  const set = (limit: typeof before): number => {
    memory.bytes.set(encode(rlimit64, limit), SET)
    return attempt("prlimit64", 0, LIMIT.NOFILE, memory.address + SET, 0)
  }
  const { rlim_max } = before
  const answer = set({ rlim_cur: wanted, rlim_max: wanted > rlim_max ? wanted : rlim_max })
  if (answer < 0) {
    log.debug(`${wanted} descriptors are not to be had: ${errnoName(-answer)}`)
    set({ rlim_cur: rlim_max, rlim_max })
  }
  return { [Symbol.dispose]: () => void set(before) }
}
