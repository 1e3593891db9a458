import type { ImageSet } from "../image/set.ts"
import { type SavedShm, savedShm } from "../kinds/memory/sysv/saved.ts"
import type { SavedProcess } from "./images.ts"

/** The System V segments of a set. @throws CheckpointError E_IMAGE_CORRUPT, see `savedShm` */
export function shmOf(set: ImageSet, processes: readonly SavedProcess[]): readonly SavedShm[] {
  const extensions = processes.flatMap(({ extension }) => extension?.shm ?? [])
  const vmas = processes.flatMap(({ mm }) => mm.vmas)
  return savedShm(set.optional("ipcns-shm", processes[0]?.ids.ipc_ns_id ?? 0), extensions, vmas)
}
