import type { task_kobj_ids_entry } from "../../proto/gen/core_pb.ts"
import type { mm_entry } from "../../proto/gen/mm_pb.ts"
import type { stasis_task_entry } from "../../proto/gen/stasis_pb.ts"
import type { ImageSet } from "../image/set.ts"
import { type SavedShm, savedShm } from "../kinds/memory/sysv/saved.ts"

interface Process {
  readonly ids: task_kobj_ids_entry
  readonly mm: mm_entry
  readonly extension: stasis_task_entry | undefined
}

/** The System V segments of a set. @throws CheckpointError E_IMAGE_CORRUPT, see `savedShm` */
export function shmOf(set: ImageSet, processes: readonly Process[]): readonly SavedShm[] {
  const extensions = processes.flatMap(({ extension }) => extension?.shm ?? [])
  const vmas = processes.flatMap(({ mm }) => mm.vmas)
  return savedShm(set.optional("ipcns-shm", processes[0]?.ids.ipc_ns_id ?? 0), extensions, vmas)
}
