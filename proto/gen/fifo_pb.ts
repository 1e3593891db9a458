// Made from proto/fifo.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** file_entry.fifo. pipe_id = inode number. */
export interface fifo_entry {
  id: number
  pipe_id: number
  regf_id?: number
}
export const fifo_entrySchema: Schema<fifo_entry> = schema("fifo_entry", () => [
  { number: 1, name: "id", type: "uint32", label: "required" },
  { number: 2, name: "pipe_id", type: "uint32", label: "required" },
  { number: 3, name: "regf_id", type: "uint32", label: "optional" },
])
