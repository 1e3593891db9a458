import { type Mapping, parseMapping } from "./maps.ts"
import { expectAlive, textReader } from "./source.ts"
import { words } from "./text.ts"

/** Counters of one mapping, KiB where nothing else is said; 0 where this kernel prints none. See proc_pid_smaps(5). */
interface Counters {
  readonly kernelPageSize: number
  readonly rss: number
  readonly anonymous: number
  readonly privateHugetlb: number
  readonly swap: number
  /** Pages that other mappings, here or elsewhere, show too: file pages, and private ones since fork(2). */
  readonly sharedClean: number
  readonly sharedDirty: number
  readonly sharedHugetlb: number
  readonly locked: number
  /** A number: the mapping's key for memory protection. */
  readonly protectionKey: number
}

/** One mapping of /proc/PID/smaps with its two-letter flags. */
export type MappingDetail = Mapping & { readonly counters: Counters; readonly vmFlags: ReadonlySet<string> }

/** Counters that are found when they are asked for: of the 24 that the kernel prints a mapping, most dumps want one. */
class CountersText implements Counters {
  /** @param text a mapping's lines, the first one too */
  constructor(private readonly text: string) {}

  private of(label: string): number {
    const at = this.text.indexOf(label)
    return at < 0 ? 0 : Number.parseInt(this.text.slice(at + label.length, at + label.length + 24), 10)
  }
  get kernelPageSize(): number {
    return this.of("\nKernelPageSize:")
  }
  get rss(): number {
    return this.of("\nRss:")
  }
  get anonymous(): number {
    return this.of("\nAnonymous:")
  }
  get privateHugetlb(): number {
    return this.of("\nPrivate_Hugetlb:")
  }
  get swap(): number {
    return this.of("\nSwap:")
  }
  get sharedClean(): number {
    return this.of("\nShared_Clean:")
  }
  get sharedDirty(): number {
    return this.of("\nShared_Dirty:")
  }
  get sharedHugetlb(): number {
    return this.of("\nShared_Hugetlb:")
  }
  get locked(): number {
    return this.of("\nLocked:")
  }
  get protectionKey(): number {
    return this.of("\nProtectionKey:")
  }
}

/** Mappings with the same flags share one set. */
const flagSets = new Map<string, ReadonlySet<string>>()
const flagsOf = (line: string): ReadonlySet<string> => flagSets.getOrInsertComputed(line, () => new Set(words(line)))

/** What private mappings hold that no file holds, KiB: what a dump of them stores at most. */
export const privateMemory = (mappings: readonly MappingDetail[]): number =>
  mappings.reduce(
    (sum, { shared, counters: { anonymous, privateHugetlb, swap } }) => sum + (shared ? 0 : anonymous + privateHugetlb + swap),
    0,
  )

/** The last line of each mapping. */
const FLAGS = "\nVmFlags:"

/** /proc/PID/smaps -> its mappings, lowest address first, in one pass. Kernel: fs/proc/task_mmu.c show_smap() */
export function parseSmaps(text: string): MappingDetail[] {
  const details: MappingDetail[] = []
  for (let at = 0; at < text.length; ) {
    const flags = text.indexOf(FLAGS, at)
    if (flags < 0) throw new Error(`Unreachable: a mapping of smaps without VmFlags: ${text.slice(at, at + 80)}`)
    const newline = text.indexOf("\n", flags + FLAGS.length)
    const end = newline < 0 ? text.length : newline
    details.push({
      ...parseMapping(text, at, text.indexOf("\n", at)),
      counters: new CountersText(text.slice(at, flags)),
      vmFlags: flagsOf(text.slice(flags + FLAGS.length, end)),
    })
    at = end + 1
  }
  return details
}

/**
 * Detailed mappings, as `readMapsIfAlive`. The kernel walks every page table for it: about 10 ms for a GiB.
 * @throws CheckpointError E_PERMISSION · E_IO
 */
const readSmapsIfAlive = textReader("smaps", parseSmaps)

/** As `readSmapsIfAlive`. @throws CheckpointError E_NO_PROCESS when it is gone */
export const readSmaps = expectAlive("smaps", readSmapsIfAlive)
