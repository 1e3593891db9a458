import type { file_lock_entry } from "../../proto/gen/file-lock_pb.ts"
import { PE, TASK, VMA } from "../../proto/values.ts"

/** Names for bits and numbers that images hold as the kernel has them. Each table: value -> word. */
type Words = readonly (readonly [bit: number, word: string])[]

/** mmap(2) flags, include/uapi/linux/mman.h and asm-generic/mman.h; the low bits are a choice, see `mapWords`. */
const MAP: Words = [
  [0x20, "anon"],
  [0x100, "growsdown"],
  [0x2000, "locked"],
  [0x4000, "noreserve"],
  [0x8000, "populate"],
  [0x20000, "stack"],
  [0x40000, "hugetlb"],
]
const MAP_TYPE = ["", "shared", "private", "shared-validate", "", "", "", "", "droppable"]

/** Status bits of vma_entry, CRIU's own. */
export const VMA_STATUS: Words = [
  [VMA.REGULAR, "regular"],
  [VMA.STACK, "stack"],
  [VMA.VSYSCALL, "vsyscall"],
  [VMA.VDSO, "vdso"],
  [VMA.HEAP, "heap"],
  [VMA.FILE_PRIVATE, "file-private"],
  [VMA.FILE_SHARED, "file-shared"],
  [VMA.ANON_SHARED, "anon-shared"],
  [VMA.ANON_PRIVATE, "anon-private"],
  [VMA.SYSVIPC, "sysvipc"],
  [VMA.SOCKET, "socket"],
  [VMA.VVAR, "vvar"],
  [VMA.AIORING, "aioring"],
  [VMA.MEMFD, "memfd"],
  [VMA.SHSTK, "shadow-stack"],
  [VMA.GUARD, "guard"],
  [VMA.UPROBES, "uprobes"],
  [VMA.EXT_PLUGIN, "plugin"],
]

/** Bits of vma_entry.madv: bit n stands for MADV_n. */
export const MADVICE: Words = [
  [1 << 1, "random"],
  [1 << 2, "sequential"],
  [1 << 10, "dontfork"],
  [1 << 12, "mergeable"],
  [1 << 14, "hugepage"],
  [1 << 15, "nohugepage"],
  [1 << 16, "dontdump"],
  [1 << 18, "wipeonfork"],
]

/** Flags of pagemap_entry. */
export const PAGEMAP: Words = [
  [PE.PARENT, "parent"],
  [PE.LAZY, "lazy"],
  [PE.PRESENT, "present"],
]

/** Flags of sigaction(2), include/uapi/asm-generic/signal-defs.h and, for restorer, arch/x86. */
export const SIGACTION: Words = [
  [0x1, "nocldstop"],
  [0x2, "nocldwait"],
  [0x4, "siginfo"],
  [0x400, "unsupported"],
  [0x800, "expose-tagbits"],
  [0x4000000, "restorer"],
  [0x8000000, "onstack"],
  [0x10000000, "restart"],
  [0x40000000, "nodefer"],
  [0x80000000, "resethand"],
]

/** open(2) flags. Four differ by architecture: include/uapi/asm-generic/fcntl.h, arch/arm64/include/uapi/asm/fcntl.h. */
const OPEN: Words = [
  [0x40, "creat"],
  [0x80, "excl"],
  [0x100, "noctty"],
  [0x200, "trunc"],
  [0x400, "append"],
  [0x800, "nonblock"],
  [0x1000, "dsync"],
  [0x2000, "async"],
  [0x40000, "noatime"],
  [0x80000, "cloexec"],
  [0x100000, "sync"],
  [0x200000, "path"],
  [0x400000, "tmpfile"],
]
const OPEN_OF: Readonly<Record<string, Words>> = {
  x64: [
    [0x4000, "direct"],
    [0x8000, "largefile"],
    [0x10000, "directory"],
    [0x20000, "nofollow"],
  ],
  arm64: [
    [0x4000, "directory"],
    [0x8000, "nofollow"],
    [0x10000, "direct"],
    [0x20000, "largefile"],
  ],
}

/** Bits as words; what has no word stays a number. */
export function wordsOf(value: number | bigint, words: Words): string[] {
  let rest = BigInt(value)
  const found: string[] = []
  for (const [bit, word] of words) {
    const mask = BigInt(bit >>> 0)
    if ((rest & mask) !== mask) continue
    found.push(word)
    rest &= ~mask
  }
  if (rest !== 0n) found.push(`0x${rest.toString(16)}`)
  return found
}

/** "rw, nonblock": access mode, then the other flags of an open file as a machine numbers them, this one when it is not known which. */
export function openWords(flags: number, machine: string = process.arch): string {
  const access = ["r", "w", "rw", "no-access"][flags & 3]
  return [access, ...wordsOf(flags & ~3, [...OPEN, ...(OPEN_OF[machine] ?? [])])].join(" ")
}

/** "rwx" as in /proc/PID/maps. */
export const protWords = (prot: number): string => `${prot & 1 ? "r" : "-"}${prot & 2 ? "w" : "-"}${prot & 4 ? "x" : "-"}`

/** "private anon growsdown"; the size of huge pages is in bits 26 to 31. */
export function mapWords(flags: number): string {
  const huge = flags & 0x40000 && flags >>> 26 ? [`${2 ** (flags >>> 26) / 1024}KiB-pages`] : []
  const type = MAP_TYPE[flags & 0xf]
  return [...(type ? [type] : []), ...wordsOf((flags & 0x3ffffff & ~0xf) >>> 0, MAP), ...huge].join(" ")
}

/** Signals 1 to 31 of x86-64 and aarch64, include/uapi/asm-generic/signal.h. */
const SIGNALS =
  "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS".split(
    " ",
  )

/** "SIGINT"; "SIG34" for real-time ones, whose names are a matter of the C library. */
export const signalName = (signal: number): string => `SIG${SIGNALS[signal - 1] ?? signal}`

/** Signals of a mask whose bit n stands for signal n + 1. */
export function signalWords(mask: bigint): string {
  if (mask === 0n) return "none"
  const set = Array.from({ length: 64 }, (_, bit) => bit + 1).filter((signal) => (mask >> BigInt(signal - 1)) & 1n)
  if (set.length > 48) {
    const clear = Array.from({ length: 64 }, (_, bit) => bit + 1).filter((signal) => !set.includes(signal))
    return `all${clear.length > 0 ? ` but ${clear.map(signalName).join(" ")}` : ""}`
  }
  return set.map(signalName).join(" ")
}

/** Signals of task_core_entry.sigactions, by position: all but SIGKILL and SIGSTOP. */
export const ACTION_SIGNAL_NAMES: readonly string[] = Array.from({ length: 64 }, (_, at) => at + 1)
  .filter((signal) => signal !== 9 && signal !== 19)
  .map(signalName)

/** Limits by number, include/uapi/asm-generic/resource.h. */
export const LIMITS = "cpu fsize data stack core rss nproc nofile memlock as locks sigpending msgqueue nice rtprio rttime".split(" ")

/** Keys of the auxiliary vector, include/uapi/linux/auxvec.h; by number. */
export const AUXV_NAMES: Readonly<Record<string, string>> = Object.fromEntries(
  "0 null,3 phdr,4 phent,5 phnum,6 pagesz,7 base,8 flags,9 entry,11 uid,12 euid,13 gid,14 egid,15 platform,16 hwcap,17 clktck,23 secure,24 base_platform,25 random,26 hwcap2,27 rseq_feature_size,28 rseq_align,29 hwcap3,30 hwcap4,31 execfn,33 sysinfo_ehdr,51 minsigstksz"
    .split(",")
    .map((pair) => pair.split(" ") as [string, string]),
)

/** States of task_core_entry, CRIU's own. */
export const STATES: Readonly<Record<number, string>> = {
  [TASK.ALIVE]: "alive",
  [TASK.DEAD]: "dead",
  [TASK.STOPPED]: "stopped",
}

/** Bytes for people: "4 KiB". */
export function sizeWords(bytes: number | bigint): string {
  let value = Number(bytes)
  for (const unit of ["B", "KiB", "MiB", "GiB"]) {
    if (value < 1024) return `${unit === "B" || value >= 100 ? Math.round(value) : Number(value.toFixed(1))} ${unit}`
    value /= 1024
  }
  return `${Number(value.toFixed(1))} TiB`
}

const LOCK_KINDS: Readonly<Record<number, string>> = { 1: "fcntl lock", 2: "flock", 4: "lock of the open file", 8: "lease" }

/** "flock write", "fcntl lock read 100+50". Length 0 = to the end. */
export function lockWords({ flag, type, start, len }: file_lock_entry): string {
  const range = flag === 1 || flag === 4 ? ` ${start}+${len === 0n ? "" : len}` : ""
  return `${LOCK_KINDS[flag] ?? `lock ${flag}`} ${["read", "write", "none"][type & 3] ?? type}${range}`
}
