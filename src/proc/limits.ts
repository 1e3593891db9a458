import { expectAlive, textReader } from "./source.ts"
import { lines, words } from "./text.ts"

/** RLIM_INFINITY. Header: include/uapi/asm-generic/resource.h */
export const RLIM_INFINITY = 2n ** 64n - 1n

/** Names in /proc/PID/limits in the order of their RLIMIT_* numbers, 0 to 15. Kernel: fs/proc/base.c lnames[] */
export const LIMIT_NAMES = [
  "Max cpu time", // RLIMIT_CPU, seconds
  "Max file size", // RLIMIT_FSIZE, bytes
  "Max data size",
  "Max stack size",
  "Max core file size",
  "Max resident set",
  "Max processes", // RLIMIT_NPROC
  "Max open files", // RLIMIT_NOFILE
  "Max locked memory",
  "Max address space",
  "Max file locks",
  "Max pending signals",
  "Max msgqueue size",
  "Max nice priority",
  "Max realtime priority",
  "Max realtime timeout", // RLIMIT_RTTIME, µs
] as const

/** Numbers of limits that are asked for by name. Header: include/uapi/asm-generic/resource.h */
export const LIMIT = { DATA: 2, NOFILE: 7, MEMLOCK: 8, AS: 9 } as const

/** Soft and hard value; `RLIM_INFINITY` = unlimited. */
export interface Limit {
  readonly soft: bigint
  readonly hard: bigint
}

let last: { readonly text: string; readonly limits: readonly Limit[] } = { text: "", limits: [] }

/** /proc/PID/limits -> 16 limits, the index is the RLIMIT_* number. A limit that the kernel does not print is unlimited. */
export function parseLimits(text: string): readonly Limit[] {
  // The processes of a tree mostly have the same.
  if (text === last.text) return last.limits
  const rows = lines(text)
  const limits = LIMIT_NAMES.map((name) => {
    const row = rows.find((line) => line.startsWith(`${name} `))
    const [soft = "unlimited", hard = "unlimited"] = row ? words(row.slice(name.length)) : []
    return { soft: limitOf(soft), hard: limitOf(hard) }
  })
  last = { text, limits }
  return limits
}

const limitOf = (text: string): bigint => (text === "unlimited" ? RLIM_INFINITY : BigInt(text))

/** Limits of a process; null when it is gone. Needs no capability, unlike prlimit(2). @throws CheckpointError E_PERMISSION · E_IO */
const readLimitsIfAlive = textReader("limits", parseLimits)

/** As `readLimitsIfAlive`. @throws CheckpointError E_NO_PROCESS when it is gone */
export const readLimits = expectAlive("limits", readLimitsIfAlive)
