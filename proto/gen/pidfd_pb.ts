// Made from proto/pidfd.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"
import { fown_entrySchema, type fown_entry } from "./fown_pb.ts"

/** file_entry.pidfd. nspid -1 = the target is dead. */
export interface pidfd_entry {
  id: number
  ino: number
  flags: number
  nspid: number
  fown: fown_entry
}
export const pidfd_entrySchema: Schema<pidfd_entry> = schema("pidfd_entry", () => [
  { number: 1, name: "id", type: "uint32", label: "required" },
  { number: 2, name: "ino", type: "uint32", label: "required" },
  { number: 3, name: "flags", type: "uint32", label: "required" },
  { number: 4, name: "nspid", type: "int32", label: "required" },
  { number: 5, name: "fown", type: "message", label: "required", message: () => fown_entrySchema },
])
