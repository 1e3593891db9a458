import { errnoOf } from "../../base/errno.ts"
import { CheckpointError, type Refusal } from "../../base/errors.ts"
import { hex } from "../../base/units.ts"
import { readDescriptorsIfAlive } from "../../proc/descriptors.ts"
import type { MappingDetail } from "../../proc/smaps.ts"
import { isAioRing, isWholeAioRing } from "./aio/ring.ts"
import { isHugeAnonymous } from "./huge/mapping.ts"
import { isSocketMapping } from "./packet-ring.ts"
import { isShmem } from "./shmem.ts"
import { findStale, type LowerFiles } from "./stale.ts"
import { isAttachment } from "./sysv/mapping.ts"

/** One row a kind of mapping that a dump cannot keep yet. The first row that matches is told. */
const refusedMappings: readonly { what: string; matches: (mapping: MappingDetail, pid: number) => boolean; remedy: string }[] = [
  {
    what: "a part of an AIO ring",
    matches: (mapping) => mapping.path.startsWith("/[aio]") && !(isAioRing(mapping) && isWholeAioRing(mapping)),
    remedy: "Let the program leave its rings whole and writable, or call io_destroy before the dump",
  },
  {
    what: "a mapping of a kernel object",
    matches: ({ path }) => /^(anon_inode:|\[uprobes\])/.test(path),
    remedy: "Let the program unmap its io_uring, perf buffer, BPF map or probe before the dump",
  },
  {
    what: "rings of a packet socket that the process does not have open",
    matches: (mapping, pid) => isSocketMapping(mapping) && !readDescriptorsIfAlive(pid)?.some(({ target }) => target === mapping.path),
    remedy: "Let the program unmap them, or keep the socket open, before the dump",
  },
  {
    what: "a shadow stack",
    matches: ({ vmFlags }) => vmFlags.has("ss"),
    remedy: "Start the program with GLIBC_TUNABLES=glibc.cpu.hwcaps=-SHSTK",
  },
  {
    what: "memory that a page-fault handler watches (userfaultfd)",
    matches: ({ vmFlags }) => ["um", "uw", "ui"].some((flag) => vmFlags.has(flag)),
    remedy: "Let the handler, which may be another program, unregister it before the dump",
  },
  {
    what: "secret memory (memfd_secret), which nobody else may read",
    matches: ({ path, deleted }) => path === "/secretmem" && deleted,
    remedy: "Start the program without it (boot with secretmem.enable=0)",
  },
  {
    what: "a sealed mapping",
    matches: ({ vmFlags, path }) => vmFlags.has("sl") && !path.startsWith("["),
    remedy: "Start the program without mseal",
  },
  {
    what: "rings of a packet socket under a protection key (pkey_mprotect)",
    matches: (mapping) => isSocketMapping(mapping) && mapping.counters.protectionKey > 0,
    remedy: "Let the program unmap them, or give them key 0, before the dump",
  },
  {
    what: "memory of a device",
    matches: ({ vmFlags, path }) => (vmFlags.has("io") || vmFlags.has("pf")) && !path.startsWith("["),
    remedy: "Close the device before the dump",
  },
]

/** A running process may unmap what we look at. */
function refuseStale(pid: number, mapping: MappingDetail, lower: LowerFiles): ReturnType<RefuseFile> {
  try {
    const stale = findStale(pid, mapping, lower)
    if (!stale || (!mapping.shared && !stale.isLonger)) return undefined
    const found = mapping.shared ? "a shared mapping of an older copy of the file" : "a mapping of an older and longer copy of the file"
    return { what: `${found}, which somebody has written to since (overlayfs)`, remedy: "Let the program map the file again" }
  } catch (error) {
    if (["ENOENT", "ESRCH"].includes(errnoOf(error) ?? "")) return undefined
    throw error
  }
}

/** Why the file of a mapping cannot be kept; undefined when it can. */
type RefuseFile = (mapping: MappingDetail) => { readonly what: string; readonly remedy: string } | undefined

/** The kernel's own shared memory. */
const isMemory = (mapping: MappingDetail): boolean => [isShmem, isAttachment, isAioRing, isHugeAnonymous].some((isKept) => isKept(mapping))

const isOfFile = (mapping: MappingDetail): boolean => mapping.inode !== 0n && mapping.path.startsWith("/") && !isMemory(mapping)

/** A running process may unmap it meanwhile. */
function reasonOf(mapping: MappingDetail, refuseFile: RefuseFile): ReturnType<RefuseFile> {
  try {
    return refuseFile(mapping)
  } catch (error) {
    if (error instanceof CheckpointError && error.code === "E_TARGET_CHANGED") return undefined
    throw error
  }
}

/**
 * What in a process's address space cannot be dumped. Nothing is stopped or changed.
 *
 * What is restored: "What is kept" in README.md.
 */
export function surveyMemory(pid: number, mappings: readonly MappingDetail[], refuseFile: RefuseFile, lower: LowerFiles): Refusal[] {
  const refusals: Refusal[] = []
  for (const mapping of mappings) {
    const known = refusedMappings.find(({ matches }) => matches(mapping, pid))
    const row = known ?? (isOfFile(mapping) ? (reasonOf(mapping, refuseFile) ?? refuseStale(pid, mapping, lower)) : undefined)
    if (!row) continue
    const where = `task ${pid} VMA ${hex(mapping.start)}-${hex(mapping.end)}${mapping.path ? ` "${mapping.path}"` : ""}`
    refusals.push({ what: row.what, where, remedy: row.remedy })
  }
  return refusals
}
