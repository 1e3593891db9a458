import { closeSync } from "../../../ffi/fs.ts"
import { endWaiter } from "../../tracee/seed.ts"

/**
 * Opens what leads to a child of ours that stands in for a process which had ended, then ends and reaps it.
 *
 * @param open is given each item, and answers its descriptor
 * @returns close-on-exec descriptors by file id, the caller's; none is open when `open` has failed
 * @throws what `open` throws · CheckpointError E_TIMEOUT
 */
export function openStoodIn<T extends { readonly id: number }>(
  child: number,
  items: readonly T[],
  open: (item: T) => number,
): Map<number, number> {
  const made = new Map<number, number>()
  try {
    for (const item of items) made.set(item.id, open(item))
    return made
  } catch (error) {
    for (const fd of made.values()) closeSync(fd)
    throw error
  } finally {
    endWaiter(child)
  }
}
