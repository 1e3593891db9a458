import { type Mapping, parseMapping } from "./maps.ts"
import { expectAlive, textReader } from "./source.ts"
import { words } from "./text.ts"

/** Kernel's words -> ours. Values are KiB, except ProtectionKey (a number) and THPeligible (0 or 1). */
const COUNTERS = {
  Size: "size",
  KernelPageSize: "kernelPageSize",
  MMUPageSize: "mmuPageSize",
  Rss: "rss",
  Pss: "pss",
  Pss_Dirty: "pssDirty",
  Shared_Clean: "sharedClean",
  Shared_Dirty: "sharedDirty",
  Private_Clean: "privateClean",
  Private_Dirty: "privateDirty",
  Referenced: "referenced",
  Anonymous: "anonymous",
  KSM: "ksm",
  LazyFree: "lazyFree",
  AnonHugePages: "anonHugePages",
  ShmemPmdMapped: "shmemPmdMapped",
  FilePmdMapped: "filePmdMapped",
  Shared_Hugetlb: "sharedHugetlb",
  Private_Hugetlb: "privateHugetlb",
  Swap: "swap",
  SwapPss: "swapPss",
  Locked: "locked",
  THPeligible: "thpEligible",
  ProtectionKey: "protectionKey",
} as const

type Counter = (typeof COUNTERS)[keyof typeof COUNTERS]
const NAMES: ReadonlyMap<string, Counter> = new Map(Object.entries(COUNTERS))
const NONE = Object.fromEntries(Object.values(COUNTERS).map((name) => [name, 0])) as Record<Counter, number>

/** One mapping of /proc/PID/smaps: counters in KiB (0 where this kernel prints none), and its two-letter flags. See proc_pid_smaps(5). */
export type MappingDetail = Mapping & Readonly<Record<Counter, number>> & { readonly vmFlags: ReadonlySet<string> }

/** Mappings with the same flags share one set. */
const flagSets = new Map<string, ReadonlySet<string>>()
const ZERO = 0x30
const NINE = 0x39
const UPPER_A = 0x41
const UPPER_Z = 0x5a

/** /proc/PID/smaps -> its mappings, lowest address first, in one pass. Kernel: fs/proc/task_mmu.c show_smap() */
export function parseSmaps(text: string): MappingDetail[] {
  const details: MappingDetail[] = []
  // Every mapping prints the same keys in the same order (ProtectionKey may be missing): guess the next one before looking it up.
  const order: { readonly label: string; readonly counter: Counter | undefined }[] = []
  let counters = { ...NONE }
  let next = 0
  let at = 0
  while (at < text.length) {
    const newline = text.indexOf("\n", at)
    const end = newline < 0 ? text.length : newline
    const first = text.charCodeAt(at)
    // A mapping starts with a lower-case hexadecimal digit, each of its lines with a capital letter.
    if (first < UPPER_A || first > UPPER_Z) {
      counters = { ...NONE }
      next = 0
      details.push(Object.assign(counters, parseMapping(text, at, end), { vmFlags: flagsOf("") }))
    } else if (text.startsWith("VmFlags:", at)) {
      Object.assign(counters, { vmFlags: flagsOf(text.slice(at + 8, end)) })
    } else {
      let guess = order[next]
      if (!guess || !text.startsWith(guess.label, at)) {
        const label = text.slice(at, text.indexOf(":", at) + 1)
        guess = { label, counter: NAMES.get(label.slice(0, -1)) }
        order[next] = guess
      }
      next++
      if (guess.counter) counters[guess.counter] = decimalAt(text, at + guess.label.length, end)
    }
    at = end + 1
  }
  return details
}

/** First decimal number in `text[from, to)`. */
function decimalAt(text: string, from: number, to: number): number {
  let value = 0
  let digits = false
  for (let at = from; at < to; at++) {
    const code = text.charCodeAt(at)
    if (code >= ZERO && code <= NINE) {
      value = value * 10 + code - ZERO
      digits = true
    } else if (digits) break
  }
  return value
}

function flagsOf(line: string): ReadonlySet<string> {
  const known = flagSets.get(line)
  if (known) return known
  const set = new Set(words(line))
  flagSets.set(line, set)
  return set
}

/**
 * Detailed mappings, as `readMapsIfAlive`. The kernel walks every page table for it: about 10 ms for a GiB.
 * @throws CheckpointError E_PERMISSION · E_IO
 */
export const readSmapsIfAlive = textReader("smaps", parseSmaps)

/** As `readSmapsIfAlive`. @throws CheckpointError E_NO_PROCESS when it is gone */
export const readSmaps = expectAlive("smaps", readSmapsIfAlive)
