import type { Refusal } from "../../base/errors.ts"
import { hex } from "../../base/units.ts"
import type { MappingDetail } from "../../proc/smaps.ts"

/** One row a kind of mapping that a dump cannot keep yet. The first row that matches is told. */
const refusedMappings: readonly { what: string; matches: (mapping: MappingDetail) => boolean; remedy: string }[] = [
  {
    what: "a System V shared memory segment",
    matches: ({ path }) => path.startsWith("/SYSV"),
    remedy: "Detach it (shmdt) before the dump",
  },
  { what: "an AIO ring", matches: ({ path }) => path.startsWith("/[aio]"), remedy: "Let the program call io_destroy before the dump" },
  {
    what: "a mapping of a kernel object",
    matches: ({ path }) => /^(anon_inode:|\/?socket:|\[uprobes\])/.test(path),
    remedy: "Let the program close its io_uring, perf, packet-socket ring or probe before the dump",
  },
  {
    what: "a shadow stack",
    matches: ({ vmFlags }) => vmFlags.has("ss"),
    remedy: "Start the program with GLIBC_TUNABLES=glibc.cpu.hwcaps=-SHSTK",
  },
  {
    what: "huge pages of hugetlbfs",
    matches: ({ vmFlags }) => vmFlags.has("ht"),
    remedy: "Use transparent huge pages (madvise MADV_HUGEPAGE)",
  },
  {
    what: "a sealed mapping",
    matches: ({ vmFlags, path }) => vmFlags.has("sl") && !path.startsWith("["),
    remedy: "Start the program without mseal",
  },
  {
    what: "memory under a protection key (pkey_mprotect)",
    matches: ({ protectionKey }) => protectionKey > 0,
    remedy: "Start the program without memory protection keys",
  },
  {
    what: "memory of a device",
    matches: ({ vmFlags, path }) => (vmFlags.has("io") || vmFlags.has("pf")) && !path.startsWith("["),
    remedy: "Close the device before the dump",
  },
  {
    what: "a file that was deleted or replaced",
    matches: ({ deleted, path }) => deleted && path !== "/dev/zero" && !path.startsWith("/memfd:"),
    remedy: "Restart the program after an upgrade of its files, or restore the file",
  },
]

/**
 * What in a process's address space cannot be dumped. Nothing is stopped or changed.
 *
 * What is restored: the support table in README.
 */
export function surveyMemory(pid: number, mappings: readonly MappingDetail[]): Refusal[] {
  const refusals: Refusal[] = []
  for (const mapping of mappings) {
    const row = refusedMappings.find(({ matches }) => matches(mapping))
    if (!row) continue
    const where = `task ${pid} VMA ${hex(mapping.start)}-${hex(mapping.end)}${mapping.path ? ` "${mapping.path}"` : ""}`
    refusals.push({ what: row.what, where, remedy: row.remedy })
  }
  return refusals
}
