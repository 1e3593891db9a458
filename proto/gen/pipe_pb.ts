// Made from proto/pipe.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"
import { fown_entrySchema, type fown_entry } from "./fown_pb.ts"

/** file_entry.pipe. pipe_id = inode number: equal ones are ends of one pipe. */
export interface pipe_entry {
  id: number
  pipe_id: number
  flags: number
  fown: fown_entry
}
export const pipe_entrySchema: Schema<pipe_entry> = schema("pipe_entry", () => [
  { number: 1, name: "id", type: "uint32", label: "required" },
  { number: 2, name: "pipe_id", type: "uint32", label: "required" },
  { number: 3, name: "flags", type: "uint32", label: "required" },
  { number: 4, name: "fown", type: "message", label: "required", message: () => fown_entrySchema },
])
