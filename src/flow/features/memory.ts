import { O } from "../../../ffi/abi/file.ts"
import { MADV, MAP, MREMAP, PAGE_IS, PAGEMAP_SCAN, PM, PR_SET_MM, PROT, pmScanArg } from "../../../ffi/abi/mman.ts"
import { UFFD_API, UFFD_FEATURE, UFFDIO_API, uffdioApi } from "../../../ffi/abi/userfault.ts"
import { closeSync, existsSync, openSync, readlinkSync, readSync } from "../../../ffi/fs.ts"
import { decode, encodeInto } from "../../../ffi/layout.ts"
import { allocate, attempt, errnoName, isFailure } from "../../../ffi/syscall.ts"
import { remoteAddress } from "../../base/units.ts"
import { aioRingLength } from "../../kinds/memory/aio/ring.ts"
import { NEXT_ID } from "../../kinds/memory/sysv/restore.ts"
import { AUXV, readAuxv } from "../../proc/auxv.ts"
import { mapLink, readOwnMaps } from "../../proc/maps.ts"
import { tryMemoryFile } from "../../tracee/child.ts"
import { readMemory } from "../../tracee/memory.ts"
import { possibleCpus } from "../aio-rings.ts"
import type { Feature, Found } from "./feature.ts"

const SOFT_DIRTY = 1n << 55n
const PR_SET_MM_MAP_SIZE = 15
const MADV_GUARD_REMOVE = 103
const PAGE = 4096

let page: ReturnType<typeof allocate> | undefined
/** A page of ours that was written to, so that it is present. */
function ownPage(): ReturnType<typeof allocate> {
  page ??= allocate(PAGE)
  page.bytes[0] = 1
  return page
}

/** What a call said: its failure is the absence. */
function answered(what: string, answer: number): Found {
  return isFailure(answer)
    ? { present: false, detail: `${what} answered ${errnoName(-answer)}` }
    : { present: true, detail: `${what} answered` }
}

function withFile<T>(path: string, use: (fd: number) => T): T {
  const fd = openSync(path, "r")
  try {
    return use(fd)
  } finally {
    closeSync(fd)
  }
}

/** The pagemap entry of our own page. Documentation/admin-guide/mm/pagemap.rst */
function pagemapEntry(): bigint {
  const entry = Buffer.alloc(8)
  const { address } = ownPage()
  withFile("/proc/self/pagemap", (fd) => readSync(fd, entry, 0, 8, (address / PAGE) * 8))
  return entry.readBigUInt64LE()
}

function scanPages(): Found {
  const { address } = ownPage()
  const room = allocate(PAGE)
  const start = BigInt(address)
  encodeInto(pmScanArg, room.bytes, { size: pmScanArg.size, start, end: start + BigInt(PAGE), vec: room.address + 256, vec_len: 1 })
  encodeInto(pmScanArg, room.bytes, { category_mask: PAGE_IS.PRESENT, return_mask: PAGE_IS.PRESENT })
  return withFile("/proc/self/pagemap", (fd) => answered("ioctl(PAGEMAP_SCAN)", attempt("ioctl", fd, PAGEMAP_SCAN, room.address)))
}

/** Features of userfaultfd(2), or the name of the failure. */
function userfaultFeatures(): bigint | string {
  const fd = attempt("userfaultfd", O.CLOEXEC)
  if (isFailure(fd)) return `userfaultfd answered ${errnoName(-fd)}`
  try {
    const room = allocate(PAGE)
    encodeInto(uffdioApi, room.bytes, { api: UFFD_API })
    const answer = attempt("ioctl", fd, UFFDIO_API, room.address)
    return isFailure(answer) ? `ioctl(UFFDIO_API) answered ${errnoName(-answer)}` : decode(uffdioApi, room.bytes).features
  } finally {
    attempt("close", fd)
  }
}

function userfault(wanted: bigint): Found {
  const features = userfaultFeatures()
  if (typeof features === "string") return { present: false, detail: features }
  return { present: (features & wanted) === wanted, detail: `features are 0x${features.toString(16)}` }
}

function guard(): Found {
  const { address } = allocate(PAGE)
  const installed = attempt("madvise", address, PAGE, MADV.GUARD_INSTALL)
  if (!isFailure(installed)) attempt("madvise", address, PAGE, MADV_GUARD_REMOVE)
  return answered("madvise(MADV_GUARD_INSTALL)", installed)
}

function mapFiles(): Found {
  const [mapping] = readOwnMaps(" /")
  if (!mapping) return { present: "unknown", detail: "this process maps no file" }
  const path = mapLink("self", mapping)
  return withFile(path, () => ({ present: true, detail: `${path} leads to ${readlinkSync(path, "buffer")}` }))
}

/** Whether a ring can be moved, which gives it another name. Kernel: fs/aio.c aio_ring_mremap() */
function movableRing(): Found {
  const { address, view } = allocate(PAGE)
  const made = attempt("io_setup", 1, address)
  if (isFailure(made)) return answered("io_setup", made)
  const ring = view.getBigUint64(0, true)
  // All of it: the ring takes its whole length from where its beginning is.
  const length = aioRingLength(1, possibleCpus())
  const target = attempt("mmap", 0, length, PROT.NONE, MAP.PRIVATE | MAP.ANONYMOUS, -1, 0)
  const moved = attempt("mremap", ring, length, length, MREMAP.MAYMOVE | MREMAP.FIXED, target)
  const known = attempt("io_destroy", isFailure(moved) ? ring : moved)
  return isFailure(moved) ? answered("mremap of a ring", moved) : answered("io_destroy of a moved ring", known)
}

/** Memory of a process, and how it is read, watched and put back. */
export const memoryFeatures: readonly Feature[] = [
  {
    name: "page_size",
    need: "required",
    lost: "any dump: only pages of 4096 bytes are known",
    probe: () => {
      const size = readAuxv(process.pid).value(AUXV.PAGESZ)
      return { present: size === BigInt(PAGE), detail: `${size} bytes` }
    },
  },
  {
    name: "process_vm_readv",
    need: "required",
    lost: "any dump: memory is read by it",
    probe: () => {
      const { address } = ownPage()
      return { present: readMemory(process.pid, remoteAddress(address), 8)[0] === 1, detail: "our own memory was read" }
    },
  },
  {
    name: "pagemap",
    need: "required",
    lost: "any dump: it tells which pages a process has",
    probe: () => ({ present: (pagemapEntry() & PM.PRESENT) !== 0n, detail: "/proc/PID/pagemap was read" }),
  },
  {
    name: "pagemap_scan",
    need: "better",
    lost: "speed: pages are found through pagemap, several times slower (Linux 6.7)",
    probe: scanPages,
  },
  {
    name: "map_files",
    need: "better",
    lost: "mapped files that were deleted or replaced (needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN)",
    probe: mapFiles,
  },
  {
    name: "pr_set_mm_map",
    need: "required",
    lost: "any restore: heap, arguments and executable of a process are set by it (CONFIG_CHECKPOINT_RESTORE)",
    probe: () => answered("prctl(PR_SET_MM_MAP_SIZE)", attempt("prctl", PR_SET_MM, PR_SET_MM_MAP_SIZE, ownPage().address)),
  },
  {
    name: "memfd_create",
    need: "required",
    lost: "any restore: the programs of the new processes lie in one, which must be executable (vm.memfd_noexec is not 2)",
    probe: () => {
      const fd = tryMemoryFile("check")
      if (!isFailure(fd)) attempt("close", fd)
      return answered("memfd_create", fd)
    },
  },
  {
    name: "madv_populate_write",
    need: "better",
    lost: "speed: restored memory is faulted in page by page (Linux 5.14)",
    probe: () => answered("madvise(MADV_POPULATE_WRITE)", attempt("madvise", ownPage().address, PAGE, MADV.POPULATE_WRITE)),
  },
  { name: "madv_guard_install", need: "special", lost: "guard pages without a mapping of their own (Linux 6.13)", probe: guard },
  {
    name: "soft_dirty",
    need: "special",
    lost: "nothing: changed pages would be tracked by userfaultfd_wp",
    probe: () => ({ present: (pagemapEntry() & SOFT_DIRTY) !== 0n, detail: "bit 55 of a page just written (CONFIG_MEM_SOFT_DIRTY)" }),
  },
  {
    name: "userfaultfd_wp",
    need: "special",
    lost: "tracking of changed pages between two dumps (Linux 6.7)",
    probe: () => userfault(UFFD_FEATURE.WP_ASYNC | UFFD_FEATURE.WP_UNPOPULATED),
  },
  { name: "uffd", need: "special", lost: "nothing yet: restore loads all pages first", probe: () => userfault(0n) },
  {
    name: "uffd_noncoop",
    need: "special",
    lost: "nothing yet: restore loads all pages first",
    probe: () => userfault(UFFD_FEATURE.EVENT_FORK | UFFD_FEATURE.EVENT_REMAP | UFFD_FEATURE.EVENT_REMOVE | UFFD_FEATURE.EVENT_UNMAP),
  },
  { name: "aio", need: "special", lost: "AIO rings (CONFIG_AIO)", probe: movableRing },
  {
    name: "shm_next_id",
    need: "special",
    lost: "System V shared memory that has gone (CONFIG_CHECKPOINT_RESTORE)",
    probe: () => ({ present: existsSync(NEXT_ID), detail: `${NEXT_ID} ${existsSync(NEXT_ID) ? "exists" : "does not exist"}` }),
  },
]
