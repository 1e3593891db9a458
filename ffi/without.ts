/**
 * The test switch STASIS_WITHOUT=FEATURE: this process then lives on a kernel that lacks a feature of `stasis check`. Calls that the
 * feature is made of are answered as such a kernel answers, files that it shows are not there; nothing else is touched. For tests; names
 * that are none do nothing.
 */
type Argument = number | bigint

/** What is missing without a feature. */
interface Lack {
  /** The errno of a call, by its name and first arguments; undefined = it is made. */
  readonly call?: (call: string, a: Argument, b: Argument, c: Argument, d: Argument) => number | undefined
  /** Files that do not exist. */
  readonly path?: RegExp
  /** Links that must not be followed (EPERM), but may be looked at. */
  readonly refused?: RegExp
}

const [EPERM, EIO, EINVAL, ENOTTY, ENOSYS, ENOPROTOOPT, EPROTONOSUPPORT] = [1, 5, 22, 25, 38, 92, 93] as const

/** A system call that does not exist. */
const without = (...names: readonly string[]): Lack => ({ call: (call) => (names.includes(call) ? ENOSYS : undefined) })
/** One request, option or advice of a call, by one of its arguments. */
const request = (name: string, position: 0 | 1 | 2, values: readonly number[], errno: number): Lack => ({
  call: (call, ...args) => (call === name && values.includes(Number(args[position])) ? errno : undefined),
})
const files = (path: RegExp): Lack => ({ path })

const SUSPEND_SECCOMP = 1 << 21
const CLONE_NEWTIME = 0x80
/** Headers of the numbers: those that ffi/abi names at each. */
const LACKS: Readonly<Record<string, Lack>> = {
  ptrace_seize: request("ptrace", 0, [0x4206], EPERM),
  ptrace_get_rseq_configuration: request("ptrace", 0, [0x420f], EIO),
  rseq: without("rseq"),
  clone3_set_tid: { call: (call) => (call === "clone3" ? EPERM : undefined) },
  pidfd_open: without("pidfd_open"),
  pidfd_getfd: without("pidfd_getfd"),
  kcmp: without("kcmp"),
  timer_restore_ids: request("prctl", 0, [77], EINVAL),
  seccomp_suspend: {
    call: (call, a, _, __, d) => (call === "ptrace" && Number(a) === 0x4200 && Number(d) & SUSPEND_SECCOMP ? EPERM : undefined),
  },
  close_range: without("close_range"),
  xsave_size: request("ptrace", 0, [0x4204], EIO),
  process_vm_readv: without("process_vm_readv"),
  pagemap: files(/^\/proc\/\w+\/pagemap$/),
  pagemap_scan: request("ioctl", 1, [0xc0606610], ENOTTY),
  map_files: { refused: /\/map_files\// },
  pr_set_mm_map: request("prctl", 0, [35], EINVAL),
  memfd_create: without("memfd_create"),
  madv_populate_write: request("madvise", 2, [23], EINVAL),
  madv_guard_install: request("madvise", 2, [102], EINVAL),
  userfaultfd_wp: without("userfaultfd"),
  uffd: without("userfaultfd"),
  uffd_noncoop: without("userfaultfd"),
  aio: without("io_setup"),
  shm_next_id: files(/\/shm_next_id$/),
  proc_timers: files(/^\/proc\/\w+\/timers$/),
  proc_children: files(/\/children$/),
  unix_sockets: {
    call: (call, a, _, c) => (call === "socket" && Number(a) === 16 && Number(c) === 4 ? EPROTONOSUPPORT : undefined),
  },
  socket_buf_lock: request("getsockopt", 2, [72], ENOPROTOOPT),
  cgroups: files(/\/cgroup$/),
  user_namespaces: files(/\/(ns\/user|[ug]id_map|setgroups)$/),
  time_namespace: {
    path: /\/ns\/time$/,
    call: (call, a) => (call === "unshare" && Number(a) & CLONE_NEWTIME ? EINVAL : undefined),
  },
}

const feature = process.env.STASIS_WITHOUT
const lack = feature === undefined ? undefined : LACKS[feature]

/** The feature that is switched off; undefined = none. */
export const lacking = feature
/** Errno of a call that is switched off; undefined almost always. */
export const lackOfCall = lack?.call
/** Files that are switched off, as missing or as forbidden. */
export const lackOfPath = lack?.path
export const lackOfRight = lack?.refused

/** Whether a call that is run in another task is switched off. @param args what is no number is known only when it runs */
export function isLacking(call: string, args: readonly unknown[]): boolean {
  if (lack?.call === undefined) return false
  const [a = 0, b = 0, c = 0, d = 0] = args.map((one) => (typeof one === "number" || typeof one === "bigint" ? one : -1))
  return lack.call(call, a, b, c, d) !== undefined
}
