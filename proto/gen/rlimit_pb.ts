// Made from proto/rlimit.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** struct rlimit; RLIM_INFINITY = 2^64 - 1. rlimit-%u.img: one per resource. */
export interface rlimit_entry {
  cur: bigint
  max: bigint
}
export const rlimit_entrySchema: Schema<rlimit_entry> = schema("rlimit_entry", () => [
  { number: 1, name: "cur", type: "uint64", label: "required" },
  { number: 2, name: "max", type: "uint64", label: "required" },
])
