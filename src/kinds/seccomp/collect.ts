import { MOST_INSTRUCTIONS, SECCOMP_FILTER_FLAG, SECCOMP_MODE, seccompMetadata, sockFilter } from "../../../ffi/abi/seccomp.ts"
import { decode, encodeInto } from "../../../ffi/layout.ts"
import { allocate, errnoName, isFailure, SyscallError, syscallNumber } from "../../../ffi/syscall.ts"
import type { thread_core_entry } from "../../../proto/gen/core_pb.ts"
import type { seccomp_filter } from "../../../proto/gen/seccomp_pb.ts"
import { CheckpointError, type Refusal } from "../../base/errors.ts"
import { tryPtrace } from "../../tracee/trace.ts"
import { letsThrough, mayNotify } from "./verdict.ts"

/** One filter of a thread. */
export interface Filter {
  /** struct sock_filter array. */
  readonly program: Uint8Array
  /** SECCOMP_FILTER_FLAG_ bits that the kernel tells: LOG. */
  readonly flags: number
}

/** What seccomp makes of a thread. */
export interface Seccomp {
  /** SECCOMP_MODE_ number. */
  readonly mode: number
  /** As they were installed, the oldest first; [] unless the mode is FILTER. */
  readonly filters: readonly Filter[]
}

/** A thread without seccomp. */
export const UNFILTERED: Seccomp = { mode: SECCOMP_MODE.DISABLED, filters: [] }

const memory = allocate(MOST_INSTRUCTIONS * sockFilter.size)

/**
 * Seccomp of a stopped thread, read from outside: nothing runs in it. Mirror: ./restore.ts
 *
 * @param mode "Seccomp" of /proc/PID/status, null without CONFIG_SECCOMP
 * @throws CheckpointError E_PERMISSION the tool lacks CAP_SYS_ADMIN or is under seccomp itself · E_KERNEL
 * Kernel: kernel/seccomp.c seccomp_get_filter(), seccomp_get_metadata(); filter 0 is the oldest
 */
export function readSeccomp(tid: number, mode: number | null): Seccomp {
  if (!mode) return UNFILTERED
  if (mode !== SECCOMP_MODE.FILTER) return { mode, filters: [] }
  const filters: Filter[] = []
  for (;;) {
    const count = tryPtrace("SECCOMP_GET_FILTER", tid, filters.length, memory.address)
    if (isFailure(count)) {
      if (errnoName(-count) === "ENOENT" && filters.length > 0) return { mode, filters }
      throw unreadable(tid, new SyscallError("ptrace", errnoName(-count), [0x420c, tid, filters.length]))
    }
    const program = memory.bytes.slice(0, count * sockFilter.size)
    filters.push({ program, flags: readFlags(tid, filters.length) })
  }
}

/** Flags of one filter; 0 where the kernel does not tell them (before 4.16). */
function readFlags(tid: number, filter_off: number): number {
  encodeInto(seccompMetadata, memory.bytes, { filter_off: BigInt(filter_off) })
  const size = tryPtrace("SECCOMP_GET_METADATA", tid, seccompMetadata.size, memory.address)
  return size < seccompMetadata.size ? 0 : Number(decode(seccompMetadata, memory.bytes).flags)
}

function unreadable(tid: number, cause: SyscallError): CheckpointError {
  const action = `Cannot read the seccomp filters of thread ${tid}`
  if (cause.errno === "EACCES" || cause.errno === "EPERM")
    return new CheckpointError(
      "E_PERMISSION",
      action,
      "the kernel shows seccomp filters only to CAP_SYS_ADMIN, and to nobody who is under seccomp",
      "Run stasis as root outside of any sandbox",
      cause,
    )
  return new CheckpointError(
    "E_KERNEL",
    action,
    `ptrace answered ${cause.errno}`,
    "Use a kernel with CONFIG_CHECKPOINT_RESTORE=y and CONFIG_SECCOMP_FILTER=y",
    cause,
  )
}

/** Filters that hand calls to a supervisor: its end of the listener cannot be made again. */
export const refuseListeners = (where: string, { filters }: Seccomp): Refusal[] =>
  filters.some(({ program }) => mayNotify(program))
    ? [
        {
          what: "under a seccomp filter with a listener (SECCOMP_RET_USER_NOTIF)",
          where,
          remedy: "Run the program without the supervisor that answers its calls",
        },
      ]
    : []

/** Calls that strict mode lets through. Kernel: kernel/seccomp.c mode1_syscalls */
const STRICT_CALLS = (["read", "write", "exit", "rt_sigreturn"] as const).map(syscallNumber)

/** The calls of a list that seccomp does not let a thread make as if it were not there. */
export function forbidden<Call extends { readonly nr: number; readonly args?: readonly bigint[] }>(
  { mode, filters }: Seccomp,
  calls: readonly Call[],
): Call[] {
  if (mode === SECCOMP_MODE.DISABLED) return []
  if (mode === SECCOMP_MODE.STRICT) return calls.filter(({ nr }) => !STRICT_CALLS.includes(nr))
  const programs = filters.map(({ program }) => program)
  return calls.filter((call) => !letsThrough(programs, call))
}

/**
 * The filters of a dump as CRIU lays them out: a chain stands newest first, each `prev` names the next newer one, and a thread names its
 * oldest. Equal chains are written once. Authority: REFERENCE 6.2
 */
export class FilterTable {
  readonly entries: seccomp_filter[] = []
  private readonly known = new Map<string, number>()

  /** Index of the oldest filter of a chain. */
  add(filters: readonly Filter[], extraFlags = 0): number {
    const key = `${extraFlags} ${chainKey(filters)}`
    const found = this.known.get(key)
    if (found !== undefined) return found
    for (const [age, { program, flags }] of [...filters].reverse().entries())
      this.entries.push({ filter: program, flags: flags | extraFlags, ...(age > 0 ? { prev: this.entries.length - 1 } : {}) })
    const oldest = this.entries.length - 1
    this.known.set(key, oldest)
    return oldest
  }
}

const chainKey = (filters: readonly Filter[]): string =>
  filters.map(({ program, flags }) => `${flags}:${Buffer.from(program).toString("base64")}`).join()

/** What a thread's core image says of seccomp. */
export type SeccompEntry = Pick<thread_core_entry, "seccomp_mode" | "seccomp_filter">

/**
 * Seccomp of all threads of a process -> what their core images say. As with CRIU a chain that all of several threads have stands at the
 * leader alone, marked TSYNC: installing it there installs it everywhere.
 *
 * @param threads by thread ID, the leader first
 */
export function collectSeccomp(threads: ReadonlyMap<number, Seccomp>, table: FilterTable): Map<number, SeccompEntry> {
  const all = [...threads.values()]
  const keys = new Set(all.map(({ mode, filters }) => `${mode} ${chainKey(filters)}`))
  const together = threads.size > 1 && keys.size === 1 && all[0]?.mode === SECCOMP_MODE.FILTER
  return new Map(
    [...threads].map(([tid, { mode, filters }], index) => {
      if (mode === SECCOMP_MODE.DISABLED || (together && index > 0)) return [tid, {}]
      if (mode !== SECCOMP_MODE.FILTER) return [tid, { seccomp_mode: mode }]
      return [tid, { seccomp_mode: mode, seccomp_filter: table.add(filters, together ? SECCOMP_FILTER_FLAG.TSYNC : 0) }]
    }),
  )
}
