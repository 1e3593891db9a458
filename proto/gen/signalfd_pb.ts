// Made from proto/signalfd.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"
import { fown_entrySchema, type fown_entry } from "./fown_pb.ts"

/** file_entry.sgfd. sigmask bit n = signal n + 1. */
export interface signalfd_entry {
  id: number
  flags: number
  fown: fown_entry
  sigmask: bigint
}
export const signalfd_entrySchema: Schema<signalfd_entry> = schema("signalfd_entry", () => [
  { number: 1, name: "id", type: "uint32", label: "required" },
  { number: 2, name: "flags", type: "uint32", label: "required" },
  { number: 3, name: "fown", type: "message", label: "required", message: () => fown_entrySchema },
  { number: 4, name: "sigmask", type: "uint64", label: "required" },
])
