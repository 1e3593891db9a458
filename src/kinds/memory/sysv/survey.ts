import type { Refusal } from "../../../base/errors.ts"
import type { Holders } from "../../../proc/outside.ts"
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
 * @param holders processes outside the tree by the segments that they have attached; undefined = the counts alone decide, for the tree is
 *   stopped
 */
export function surveySysvSegments(
  attached: ReadonlyMap<number, Attached>,
  rows: readonly ShmRow[],
  holders: Holders<number> | undefined,
): Refusal[] {
  return [...attached.values()].flatMap((own) => {
    const row = rows.find(({ id }) => id === own.id)
    if (!row) {
      // A running process may have detached it meanwhile.
      const what = "System V shared memory of an IPC namespace that is not ours"
      return holders ? [] : [refuse(own, what, "Let the program detach it (shmdt) before it changes its namespace")]
    }
    if (row.nattch === own.count) return []
    if (!holders) {
      const what = `System V shared memory with ${row.nattch} attachments, of which the tree has ${own.count}`
      return [refuse(own, what, OUTSIDE)]
    }
    const other = holders.get(own.id)
    return other === undefined
      ? []
      : [refuse(own, `System V shared memory that process ${other} outside the tree has attached too`, OUTSIDE)]
  })
}
