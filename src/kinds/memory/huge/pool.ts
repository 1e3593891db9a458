import { readdirSync, readFileSync } from "../../../../ffi/fs.ts"
import { errnoOf } from "../../../base/errno.ts"
import { CheckpointError } from "../../../base/errors.ts"
import { usualSize } from "../huge-size.ts"
import type { HugePages } from "./need.ts"

/** The pool of one size of huge pages. Documentation/admin-guide/mm/hugetlbpage.rst */
interface HugePool {
  /** Pages that it has: nr_hugepages shows surplus ones too, and they are the first to become ordinary ones when it is raised. */
  readonly total: number
  /** Pages that can still be had: free ones that are promised to nobody, and those that the kernel may make when they are wanted. */
  readonly available: number
}

const FOLDER = "/sys/kernel/mm/hugepages"

function readPool(name: string): HugePool {
  const value = (file: string): number => Number(readFileSync(`${FOLDER}/${name}/${file}`, "latin1"))
  const extra = value("nr_overcommit_hugepages") - value("surplus_hugepages")
  return { total: value("nr_hugepages"), available: value("free_hugepages") - value("resv_hugepages") + Math.max(0, extra) }
}

/** The pools of this machine by page size in bytes; undefined where sysfs does not tell. */
export function readPools(): ReadonlyMap<bigint, HugePool> | undefined {
  try {
    return new Map(readdirSync(FOLDER).map((name) => [BigInt(/^hugepages-(\d+)kB$/.exec(name)?.[1] ?? 0) * 1024n, readPool(name)] as const))
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined
    throw error
  }
}

const nameOf = (bytes: bigint): string => (bytes % (1n << 30n) === 0n ? `${bytes >> 30n} GiB` : `${bytes >> 20n} MiB`)

const counted = (pages: number, pageSize: bigint): string => `${pages} huge page${pages === 1 ? "" : "s"} of ${nameOf(pageSize)}`

/** How the pool of a size becomes as large as that. */
const enlarge = (pageSize: bigint, pages: number): string =>
  pageSize === usualSize() ? `sysctl vm.nr_hugepages=${pages}` : `echo ${pages} > ${FOLDER}/hugepages-${pageSize / 1024n}kB/nr_hugepages`

/**
 * What this machine lacks of the huge pages that a restore needs. Limits of cgroups and memory nodes are not looked at.
 *
 * @returns CheckpointErrors E_KERNEL, one a size
 */
export function hugeShortage(needed: HugePages, pools: ReadonlyMap<bigint, HugePool>): CheckpointError[] {
  return [...needed].flatMap(([pageSize, pages]) => {
    const pool = pools.get(pageSize)
    const action = "Cannot restore memory of huge pages"
    if (!pool) {
      const next = "Restore on a machine that has such pages"
      return [new CheckpointError("E_KERNEL", action, `it needs ${counted(pages, pageSize)}, and this kernel has none of that size`, next)]
    }
    const missing = pages - pool.available
    if (missing <= 0) return []
    const free = `${Math.max(0, pool.available)} ${pool.available === 1 ? "is" : "are"} free and promised to nobody`
    const next = `Make more of them: ${enlarge(pageSize, pool.total + missing)}`
    return [new CheckpointError("E_KERNEL", action, `it needs ${counted(pages, pageSize)}, of which ${free}`, next)]
  })
}
