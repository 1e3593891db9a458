// Made from proto/eventfd.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"
import { fown_entrySchema, type fown_entry } from "./fown_pb.ts"

/** file_entry.efd. */
export interface eventfd_file_entry {
  id: number
  flags: number
  fown: fown_entry
  counter: bigint
}
export const eventfd_file_entrySchema: Schema<eventfd_file_entry> = schema("eventfd_file_entry", () => [
  { number: 1, name: "id", type: "uint32", label: "required" },
  { number: 2, name: "flags", type: "uint32", label: "required" },
  { number: 3, name: "fown", type: "message", label: "required", message: () => fown_entrySchema },
  { number: 4, name: "counter", type: "uint64", label: "required" },
])
