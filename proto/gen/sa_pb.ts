// Made from proto/sa.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** A signal action, as rt_sigaction shows it: 62 of them, signals 1 to 64 without 9 and 19. */
export interface sa_entry {
  sigaction: bigint
  flags: bigint
  restorer: bigint
  mask: bigint
  compat_sigaction?: boolean
  mask_extended?: bigint
}
export const sa_entrySchema: Schema<sa_entry> = schema("sa_entry", () => [
  { number: 1, name: "sigaction", type: "uint64", label: "required" },
  { number: 2, name: "flags", type: "uint64", label: "required" },
  { number: 3, name: "restorer", type: "uint64", label: "required" },
  { number: 4, name: "mask", type: "uint64", label: "required" },
  { number: 5, name: "compat_sigaction", type: "bool", label: "optional" },
  { number: 6, name: "mask_extended", type: "uint64", label: "optional" },
])
