import { CheckpointError } from "../../base/errors.ts"
import type { FoundMemory } from "../../kinds/files/table.ts"
import { collectSharedMemory, collectWindowed, type SharedMemory } from "../../kinds/memory/shared.ts"
import type { Window } from "../../kinds/memory/windows.ts"
import { mappedInode } from "../../proc/maps.ts"
import { readStatus } from "../../proc/status.ts"

/** How shared memory is collected: by its link where that may be followed, else through windows. */
export const sharedMemoryBy =
  (windows: ReadonlyMap<string, readonly Window[]>) =>
  (found: FoundMemory, inodeId: number): SharedMemory => {
    if (found.link !== undefined) return collectSharedMemory(found.link, found.shown, inodeId)
    const own = "mapping" in found ? windows.get(mappedInode(found.mapping)) : undefined
    if (!own || !("mapping" in found))
      throw new CheckpointError(
        "E_UNSUPPORTED",
        "Cannot keep shared memory",
        `"${found.shown}" is mapped privately only, and nobody has it open`,
        "Run stasis as root or with CAP_CHECKPOINT_RESTORE, which may open it; or let the program keep it open",
      )
    return collectWindowed(own, found.shown, found.mapping.inode, ownerOf(own), inodeId)
  }

/** Whose memory windows show: that of the process whose windows they are. */
function ownerOf([window]: readonly Window[]): { uid: number; gid: number } {
  const { uid, gid } = readStatus(window?.pid ?? process.pid)
  return { uid: uid.filesystem, gid: gid.filesystem }
}
