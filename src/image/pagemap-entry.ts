import type { pagemap_entry } from "../../proto/gen/pagemap_pb.ts"
import { PE } from "../../proto/values.ts"

/** Flags of a pagemap entry; old images have `in_parent` instead. */
export const storedFlags = ({ flags, in_parent }: pagemap_entry): number => flags ?? (in_parent ? PE.PARENT : PE.PRESENT)

/** Pages of an entry; old images have a 32-bit count. */
export const pagesOf = ({ nr_pages, compat_nr_pages }: pagemap_entry): bigint => nr_pages ?? BigInt(compat_nr_pages)
