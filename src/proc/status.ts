import { expectAlive, textReader } from "./source.ts"
import { decodeEscapes, words } from "./text.ts"

/** Four IDs of one kind, in the order of /proc/PID/status. */
export interface Ids {
  readonly real: number
  readonly effective: number
  readonly saved: number
  readonly filesystem: number
}

/** /proc/PID/status. Optional lines that this kernel does not print are null. See proc_pid_status(5). */
export interface Status {
  /** Up to 15 bytes for user tasks, escapes undone. */
  readonly name: string
  /** Null in a zombie, which has no fs_struct. */
  readonly umask: number | null
  /** One letter: R S D T t X Z P I. */
  readonly state: string
  readonly tgid: number
  readonly ngid: number
  readonly pid: number
  readonly ppid: number
  readonly tracerPid: number
  readonly uid: Ids
  readonly gid: Ids
  readonly groups: readonly number[]
  /** IDs in each PID namespace from the reader's inwards: the last is the innermost. */
  readonly nsTgid: readonly number[]
  readonly nsPid: readonly number[]
  readonly nsPgid: readonly number[]
  readonly nsSid: readonly number[]
  /** Since Linux 6.9. */
  readonly kthread: boolean | null
  /** Memory, KiB; 0 in kernel threads and zombies. */
  readonly vmSize: number
  readonly vmData: number
  readonly vmLocked: number
  readonly vmRss: number
  readonly rssAnon: number
  readonly rssFile: number
  readonly rssShmem: number
  readonly vmSwap: number
  /** PR_SET_THP_DISABLE turns it false. Since Linux 5.0. */
  readonly thpEnabled: boolean | null
  readonly threads: number
  /** Signals queued for this real user ID, and the limit. */
  readonly sigQueued: number
  readonly sigQueueLimit: bigint
  /** Signal sets: bit n-1 is signal n. */
  readonly sigPending: bigint
  readonly sharedPending: bigint
  readonly sigBlocked: bigint
  readonly sigIgnored: bigint
  readonly sigCaught: bigint
  /** Capability sets: bit n is capability n. */
  readonly capInheritable: bigint
  readonly capPermitted: bigint
  readonly capEffective: bigint
  readonly capBounding: bigint
  readonly capAmbient: bigint
  readonly noNewPrivs: boolean
  /** 0 off, 1 strict, 2 filter. Null without CONFIG_SECCOMP. */
  readonly seccomp: number | null
  readonly seccompFilters: number | null
  readonly speculationStoreBypass: string | null
  readonly speculationIndirectBranch: string | null
  /** Bit n of byte n>>3 is CPU n, a multiple of 8 bytes: the form of sched_setaffinity(2). */
  readonly cpusAllowed: Uint8Array
  /** Words like "shstk", "wrss". Since Linux 6.4 with user shadow stacks. */
  readonly threadFeatures: readonly string[]
  readonly threadFeaturesLocked: readonly string[]
  readonly voluntarySwitches: number
  readonly involuntarySwitches: number
}

/** /proc/PID/status -> its values. Kernel: fs/proc/array.c proc_pid_status() */
export function parseStatus(text: string): Status {
  const rows = rowsOf(text)
  const textOf = (key: string) => rows.get(key) ?? ""
  const optional = <T>(key: string, convert: (value: string) => T): T | null => {
    const value = rows.get(key)
    return value === undefined ? null : convert(value)
  }
  const number = (key: string) => Number.parseInt(textOf(key), 10) || 0
  const numbers = (key: string) => numbersOf(textOf(key))
  const set = (key: string) => BigInt(`0x${textOf(key) || "0"}`)
  const queue = textOf("SigQ")
  const slash = queue.indexOf("/")
  return {
    name: decodeEscapes(textOf("Name")),
    umask: optional("Umask", (value) => Number.parseInt(value, 8)),
    state: textOf("State").charAt(0),
    tgid: number("Tgid"),
    ngid: number("Ngid"),
    pid: number("Pid"),
    ppid: number("PPid"),
    tracerPid: number("TracerPid"),
    uid: idsOf(numbers("Uid")),
    gid: idsOf(numbers("Gid")),
    groups: numbers("Groups"),
    nsTgid: numbers("NStgid"),
    nsPid: numbers("NSpid"),
    nsPgid: numbers("NSpgid"),
    nsSid: numbers("NSsid"),
    kthread: optional("Kthread", (value) => value === "1"),
    vmSize: number("VmSize"),
    vmData: number("VmData"),
    vmLocked: number("VmLck"),
    vmRss: number("VmRSS"),
    rssAnon: number("RssAnon"),
    rssFile: number("RssFile"),
    rssShmem: number("RssShmem"),
    vmSwap: number("VmSwap"),
    thpEnabled: optional("THP_enabled", (value) => value === "1"),
    threads: number("Threads"),
    sigQueued: Number(queue.slice(0, slash)),
    sigQueueLimit: BigInt(queue.slice(slash + 1)),
    sigPending: set("SigPnd"),
    sharedPending: set("ShdPnd"),
    sigBlocked: set("SigBlk"),
    sigIgnored: set("SigIgn"),
    sigCaught: set("SigCgt"),
    capInheritable: set("CapInh"),
    capPermitted: set("CapPrm"),
    capEffective: set("CapEff"),
    capBounding: set("CapBnd"),
    capAmbient: set("CapAmb"),
    noNewPrivs: number("NoNewPrivs") === 1,
    seccomp: optional("Seccomp", Number),
    seccompFilters: optional("Seccomp_filters", Number),
    speculationStoreBypass: optional("Speculation_Store_Bypass", String),
    speculationIndirectBranch: optional("SpeculationIndirectBranch", String),
    cpusAllowed: maskBytes(textOf("Cpus_allowed")),
    threadFeatures: words(textOf("x86_Thread_features")),
    threadFeaturesLocked: words(textOf("x86_Thread_features_locked")),
    voluntarySwitches: number("voluntary_ctxt_switches"),
    involuntarySwitches: number("nonvoluntary_ctxt_switches"),
  }
}

/**
 * Status of a process, or of a thread when `tid` is given; null when it is gone.
 * @throws CheckpointError E_PERMISSION · E_IO
 */
export const readStatusIfAlive = textReader("status", parseStatus)

/** As `readStatusIfAlive`. @throws CheckpointError E_NO_PROCESS when it is gone */
export const readStatus = expectAlive("status", readStatusIfAlive)

/** "key:\tvalue" lines; the key ends at the first colon, the value's outer blanks are dropped, except those of a name. */
function rowsOf(text: string): Map<string, string> {
  const rows = new Map<string, string>()
  for (let at = 0; at < text.length; ) {
    let end = text.indexOf("\n", at)
    if (end < 0) end = text.length
    const colon = text.indexOf(":", at)
    if (colon > 0 && colon < end) {
      const key = text.slice(at, colon)
      rows.set(key, key === "Name" ? text.slice(colon + 2, end) : text.slice(colon + 1, end).trim())
    }
    at = end + 1
  }
  return rows
}

/** Numbers between single tabs or single blanks, as the kernel prints lists. A pattern would take longer than all the rest. */
const numbersOf = (text: string): number[] => (text === "" ? [] : text.split(text.includes("\t") ? "\t" : " ").map(Number))

/** Threads mostly share one mask, which on large machines has hundreds of digits. */
let lastMask = { text: "", bytes: new Uint8Array(8) }

const idsOf = ([real = 0, effective = 0, saved = 0, filesystem = 0]: readonly number[]): Ids => ({ real, effective, saved, filesystem })

/**
 * "ff,00000003" -> bytes, lowest CPU first, padded to whole 8-byte words. Kernel: lib/vsprintf.c bitmap_string(), "%*pb"
 */
export function maskBytes(mask: string): Uint8Array {
  if (mask === lastMask.text) return lastMask.bytes.slice()
  const groups = mask.split(",").reverse()
  const bytes = new Uint8Array(Math.ceil(groups.length / 2) * 8)
  const view = new DataView(bytes.buffer)
  for (const [index, group] of groups.entries()) view.setUint32(index * 4, Number.parseInt(group || "0", 16), true)
  lastMask = { text: mask, bytes }
  return bytes.slice()
}
