import { type Mapping, mappedInode } from "../../proc/maps.ts"
import type { Outside } from "../../proc/outside.ts"
import { isAioRing } from "./aio/ring.ts"
import { isHugeAnonymous } from "./huge/mapping.ts"
import { isSharedAnonymous } from "./shmem.ts"
import { type AddressSpace, isAttachment } from "./sysv/mapping.ts"

/** Shared memory that no name leads to: MAP_ANONYMOUS, memory files, deleted files. System V segments have a rule of their own. */
const isNameless = (mapping: Mapping): boolean =>
  mapping.shared && (mapping.deleted || isSharedAnonymous(mapping)) && !isAttachment(mapping) && !isAioRing(mapping)

/**
 * Shared memory that a process outside the tree has mapped too: as with CRIU each side has a copy of its own afterwards. One sentence for
 * each such memory and address space.
 *
 * @param spaces of the tree, each once
 */
export function notesOnShared(spaces: readonly AddressSpace[], outside: Outside): string[] {
  const holders = outside.holders(({ mappings }) => [...new Set(mappings.filter(isNameless).map(mappedInode))])
  return spaces.flatMap(({ pid, mappings }) => {
    const nameless = new Map(mappings.filter(isNameless).map((mapping) => [mappedInode(mapping), mapping]))
    return [...nameless].flatMap(([key, mapping]) => {
      const holder = holders.get(key)
      const what = isSharedAnonymous(mapping) || isHugeAnonymous(mapping) ? "anonymous memory" : `"${mapping.path}"`
      return holder === undefined
        ? []
        : [`task ${pid} shares ${what} with task ${holder}, which is outside: a restored program has a copy of its own`]
    })
  })
}
