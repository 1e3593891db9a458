import { KCMP } from "../../../ffi/abi/file.ts"
import { groupByOrder } from "../../base/order.ts"
import { compareObjects } from "../../tracee/kcmp.ts"
import { ioPriorityOf } from "./collect.ts"

/**
 * Threads that share one I/O context (CLONE_IO), so that an I/O priority that one of them is given is that of all. One sentence for each.
 *
 * Only those that have a priority of their own by now: who has none may have no context either, and all of these look like sharing.
 *
 * @param tids of the whole tree   @param priorityOf, compare stand for the kernel in tests
 * Kernel: block/blk-ioc.c __copy_io(), kernel/kcmp.c
 */
export function notesOnSharedIo(tids: readonly number[], priorityOf = ioPriorityOf, compare = compareObjects): string[] {
  const holders = tids.filter((tid) => priorityOf(tid) !== undefined)
  return groupByOrder(holders, (a, b) => compare(a, b, KCMP.IO)).flatMap(([first, second]) =>
    second === undefined
      ? []
      : [`threads ${first} and ${second} share one I/O context (CLONE_IO): restored threads have one each, with the same priority`],
  )
}
