import type { pagemap_entry } from "../../proto/gen/pagemap_pb.ts"

/** Content is in the parent set, under the same file name. */
export const PE_PARENT = 1
/** May be brought in after the process runs again. Means nothing to a reader that does not serve pages. */
export const PE_LAZY = 2
/** Content is in the pages file of this set. */
export const PE_PRESENT = 4

/** Flags of a pagemap entry; old images have `in_parent` instead. */
export const storedFlags = ({ flags, in_parent }: pagemap_entry): number => flags ?? (in_parent ? PE_PARENT : PE_PRESENT)

/** Pages of an entry; old images have a 32-bit count. */
export const pagesOf = ({ nr_pages, compat_nr_pages }: pagemap_entry): bigint => nr_pages ?? BigInt(compat_nr_pages)
