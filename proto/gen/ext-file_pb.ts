// Made from proto/ext-file.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"
import { fown_entrySchema, type fown_entry } from "./fown_pb.ts"

/** file_entry.ext. */
export interface ext_file_entry {
  id: number
  fown: fown_entry
}
export const ext_file_entrySchema: Schema<ext_file_entry> = schema("ext_file_entry", () => [
  { number: 1, name: "id", type: "uint32", label: "required" },
  { number: 5, name: "fown", type: "message", label: "required", message: () => fown_entrySchema },
])
