import { SHM } from "../../../../ffi/abi/ipc.ts"
import type { ipc_shm_entry } from "../../../../proto/gen/ipc-shm_pb.ts"
import type { stasis_shm_entry } from "../../../../proto/gen/stasis_pb.ts"
import type { vma_entry } from "../../../../proto/gen/vma_pb.ts"
import { VMA } from "../../../../proto/values.ts"
import { type CheckpointError, damagedImage } from "../../../base/errors.ts"
import { hex, PAGE, roundUp } from "../../../base/units.ts"
import { namedSize } from "../huge-size.ts"

/** A segment as the images have it. */
export interface SavedShm {
  readonly entry: ipc_shm_entry
  readonly extension: stasis_shm_entry
}

/** Bytes of a segment's pages. */
export const shmPageSize = ({ hugetlb_flag = 0 }: Pick<ipc_shm_entry, "hugetlb_flag">): bigint =>
  hugetlb_flag & SHM.HUGETLB ? namedSize(hugetlb_flag) : PAGE

/** True for a saved area that is an attachment of a System V segment. */
export const isSysv = ({ status }: Pick<vma_entry, "status">): boolean => (status & VMA.SYSVIPC) !== 0

/**
 * The segments of a set, checked against the areas that show them.
 *
 * @throws CheckpointError E_IMAGE_CORRUPT an area of a segment that is not there, or beyond its end; a segment without what tells it from
 * another; one ID twice
 */
export function savedShm(
  entries: readonly ipc_shm_entry[],
  extensions: readonly stasis_shm_entry[],
  vmas: readonly vma_entry[],
): readonly SavedShm[] {
  const bad = (found: string): CheckpointError => damagedImage("Cannot restore System V shared memory", found)
  const sizes = new Map<bigint, bigint>()
  const saved = entries.map((entry): SavedShm => {
    const { id } = entry.desc
    const extension = extensions.find((one) => one.id === id)
    if (!extension) throw bad(`stasis-core of the first process says nothing of segment ${id}`)
    if (sizes.has(BigInt(id))) throw bad(`segment ${id} is there twice`)
    if (entry.size === 0n || entry.size > 1n << 46n) throw bad(`segment ${id} has ${entry.size} bytes`)
    sizes.set(BigInt(id), roundUp(entry.size, shmPageSize(entry)))
    return { entry, extension }
  })
  for (const { start, end, shmid, pgoff } of vmas.filter(isSysv)) {
    const size = sizes.get(shmid)
    if (size === undefined) throw bad(`the area at ${hex(start)} shows segment ${shmid}, which ipcns-shm.img does not have`)
    if (pgoff >= size || end <= start) throw bad(`the area at ${hex(start)} shows segment ${shmid} from ${pgoff} on, beyond its end`)
  }
  return saved
}
