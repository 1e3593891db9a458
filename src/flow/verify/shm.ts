import { ipc_shm_entrySchema } from "../../../proto/gen/ipc-shm_pb.ts"
import { type Comparison, compareMessages, pairUp } from "../../image/compare.ts"
import type { ImageSet } from "../../image/set.ts"
import type { SysvSegment } from "../../kinds/memory/sysv/collect.ts"
import type { SavedTree } from "../images.ts"
import { oneSegment } from "./contents.ts"

/**
 * Compares the System V segments that a tree has attached, with their content. When they were made, and by whom, is not compared.
 *
 * @returns one text a difference
 */
export function shmDifferences(set: ImageSet, saved: SavedTree, now: readonly SysvSegment[], how: Comparison): string[] {
  const idOf = ({ entry }: Pick<SysvSegment, "entry">): number => entry.desc.id
  return pairUp<Pick<SysvSegment, "entry">>(saved.shm, now, idOf).flatMap(({ key, was, is }) => {
    const where = `System V segment ${key}`
    if (!was) return [`${where}: was not there`]
    const live = now.find((one) => one === is)
    return [
      ...compareMessages(ipc_shm_entrySchema, was.entry, is?.entry, how, where),
      ...(live ? oneSegment(set, saved, idOf(live), live) : []),
    ]
  })
}
