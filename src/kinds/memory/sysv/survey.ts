import type { Refusal } from "../../../base/errors.ts"
import type { ShmRow } from "../../../proc/sysvipc.ts"
import type { Attached } from "./mapping.ts"

const refuse = ({ id, pid }: Attached, what: string, remedy: string): Refusal => ({
  what,
  where: `task ${pid} System V segment ${id}`,
  remedy,
})

const OUTSIDE = "Dump a tree that has all processes which use it, or let them detach it (ipcs -mp names the last ones)"

/**
 * Segments that a tree does not have for itself: what is in them at a restore would be others' as well.
 *
 * @param rows of the tool's IPC namespace, read after the mappings
 * @param holders processes outside the tree that have a segment attached; undefined = the counts alone decide, for the tree is stopped
 */
export function surveySegments(
  attached: ReadonlyMap<number, Attached>,
  rows: readonly ShmRow[],
  holders: ((id: number) => readonly number[]) | undefined,
): Refusal[] {
  return [...attached.values()].flatMap((own) => {
    const row = rows.find(({ id }) => id === own.id)
    if (!row) {
      // A running process may have detached it meanwhile.
      const what = "System V shared memory of an IPC namespace that is not ours"
      return holders ? [] : [refuse(own, what, "Let the program detach it (shmdt) before it changes its namespace")]
    }
    if (row.nattch === own.count) return []
    const others = holders?.(own.id)
    if (!others) {
      const what = `System V shared memory with ${row.nattch} attachments, of which the tree has ${own.count}`
      return [refuse(own, what, OUTSIDE)]
    }
    if (others.length === 0) return []
    return [refuse(own, `System V shared memory that process ${others.join(", ")} outside the tree has attached too`, OUTSIDE)]
  })
}
