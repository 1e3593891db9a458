import { IPC, SHM } from "../../ffi/abi/ipc.ts"
import { attempt, errnoName, isFailure, syscall } from "../../ffi/syscall.ts"
import { CheckpointError, type Refusal } from "../base/errors.ts"
import { logger } from "../base/log.ts"
import { type AddressSpace, findAttached, isAttachment, segmentId } from "../kinds/memory/sysv/mapping.ts"
import type { PlannedShm } from "../kinds/memory/sysv/restore.ts"
import { surveySysvSegments } from "../kinds/memory/sysv/survey.ts"
import type { Outside } from "../proc/outside.ts"
import { readShm, type ShmRow } from "../proc/sysvipc.ts"

const log = logger("shm")

/**
 * System V shared memory that a running tree does not have for itself.
 *
 * @param spaces of the tree, each once
 */
export function lookForSysvSegments(spaces: readonly AddressSpace[], outside: Outside): Refusal[] {
  const attached = findAttached(spaces)
  const holders = outside.holders(({ mappings }) => mappings.filter(isAttachment).map(segmentId))
  return attached.size > 0 ? surveySysvSegments(attached, readShm(), holders) : []
}

const isMade = ({ key, size, known }: PlannedShm, row: ShmRow, pid: number): boolean =>
  row.cpid === pid && row.size === size && (row.key === key || row.key === IPC.PRIVATE) && !known.has(row.id)

/**
 * Attaches the segments of a restore to the tool: they must not vanish while the process that made them, or found them, has not yet been
 * followed by the others. Disposed of once, however often.
 *
 * @param pid of the process that made them
 * @throws CheckpointError E_RESTORE something else has taken an ID in between
 */
export function holdSysvSegments(planned: readonly PlannedShm[], pid: number): Disposable {
  const held: number[] = []
  const release = (): void => {
    for (const address of held.splice(0)) attempt("shmdt", address)
  }
  const rows = planned.length > 0 ? readShm() : []
  try {
    for (const one of planned) {
      const row = rows.find(({ id }) => id === one.id)
      if (one.way === "make" && !(row && isMade(one, row, pid)))
        throw new CheckpointError(
          "E_RESTORE",
          `Cannot make System V segment ${one.id}`,
          "the kernel gave another ID: something else has made a segment at the same moment",
          "Restore again",
        )
      held.push(syscall("shmat", one.id, 0, SHM.RDONLY))
    }
  } catch (error) {
    release()
    throw error
  }
  return { [Symbol.dispose]: release }
}

/** Removes the segments that a failed restore has made. @param pid of the process that made them */
export function removeMadeSysvSegments(planned: readonly PlannedShm[], pid: number): void {
  for (const one of planned) {
    if (one.way !== "make") continue
    for (const row of readShm()) {
      if (!isMade(one, row, pid)) continue
      const answer = attempt("shmctl", row.id, IPC.RMID, 0)
      if (isFailure(answer))
        log.warn(`System V segment ${row.id} stays: shmctl answered ${errnoName(-answer)}; remove it with ipcrm -m ${row.id}`)
    }
  }
}
