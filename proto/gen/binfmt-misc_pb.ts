// Made from proto/binfmt-misc.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** binfmt-misc.img, one entry per interpreter. */
export interface binfmt_misc_entry {
  name: string
  enabled: boolean
  interpreter: string
  flags?: string
  extension?: string
  magic?: string
  mask?: string
  offset?: number
}
export const binfmt_misc_entrySchema: Schema<binfmt_misc_entry> = schema("binfmt_misc_entry", () => [
  { number: 1, name: "name", type: "string", label: "required" },
  { number: 2, name: "enabled", type: "bool", label: "required" },
  { number: 3, name: "interpreter", type: "string", label: "required" },
  { number: 4, name: "flags", type: "string", label: "optional" },
  { number: 5, name: "extension", type: "string", label: "optional" },
  { number: 6, name: "magic", type: "string", label: "optional" },
  { number: 7, name: "mask", type: "string", label: "optional" },
  { number: 8, name: "offset", type: "int32", label: "optional" },
])
