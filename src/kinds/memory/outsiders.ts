import type { Mapping } from "../../proc/maps.ts"
import type { Outside } from "../../proc/outside.ts"
import { isRing } from "./aio/ring.ts"
import { HUGE_ANONYMOUS } from "./huge/mapping.ts"
import { type AddressSpace, isAttachment } from "./sysv/mapping.ts"

/** Shared memory that no name leads to: MAP_ANONYMOUS, memory files, deleted files. System V segments have a rule of their own. */
const isNameless = (mapping: Mapping): boolean => mapping.shared && mapping.deleted && !isAttachment(mapping) && !isRing(mapping)

const keyOf = ({ devMajor, devMinor, inode }: Mapping): string => `${devMajor}:${devMinor}:${inode}`

/**
 * Shared memory that a process outside the tree has mapped too: as with CRIU each side has a copy of its own afterwards. One sentence for
 * each such memory and address space.
 *
 * @param spaces of the tree, each once
 */
export function notesOnShared(spaces: readonly AddressSpace[], outside: Outside): string[] {
  const holders = outside.holders(({ mappings }) => [...new Set(mappings.filter(isNameless).map(keyOf))])
  return spaces.flatMap(({ pid, mappings }) => {
    const nameless = new Map(mappings.filter(isNameless).map((mapping) => [keyOf(mapping), mapping]))
    return [...nameless].flatMap(([key, { path }]) => {
      const holder = holders.get(key)
      const what = path === "/dev/zero" || path === HUGE_ANONYMOUS ? "anonymous memory" : `"${path}"`
      return holder === undefined
        ? []
        : [`task ${pid} shares ${what} with task ${holder}, which is outside: a restored program has a copy of its own`]
    })
  })
}
