// Made from proto/pipe-data.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** One entry per pipe. size = capacity in bytes. */
export interface pipe_data_entry {
  pipe_id: number
  bytes: number
  size?: number
}
export const pipe_data_entrySchema: Schema<pipe_data_entry> = schema("pipe_data_entry", () => [
  { number: 1, name: "pipe_id", type: "uint32", label: "required" },
  { number: 2, name: "bytes", type: "uint32", label: "required" },
  { number: 3, name: "size", type: "uint32", label: "optional" },
])
