// Made from proto/img-streamer.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** Asks for a file. */
export interface img_streamer_request_entry {
  filename: string
}
export const img_streamer_request_entrySchema: Schema<img_streamer_request_entry> = schema("img_streamer_request_entry", () => [
  { number: 1, name: "filename", type: "string", label: "required" },
])

/** Answers whether it exists. */
export interface img_streamer_reply_entry {
  exists: boolean
}
export const img_streamer_reply_entrySchema: Schema<img_streamer_reply_entry> = schema("img_streamer_reply_entry", () => [
  { number: 1, name: "exists", type: "bool", label: "required" },
])
