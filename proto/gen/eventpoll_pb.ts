// Made from proto/eventpoll.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"
import { fown_entrySchema, type fown_entry } from "./fown_pb.ts"

/** One watched descriptor; tfd = its number in the table of the owner. */
export interface eventpoll_tfd_entry {
  id: number
  tfd: number
  events: number
  data: bigint
  dev?: number
  inode?: bigint
  pos?: bigint
}
export const eventpoll_tfd_entrySchema: Schema<eventpoll_tfd_entry> = schema("eventpoll_tfd_entry", () => [
  { number: 1, name: "id", type: "uint32", label: "required" },
  { number: 2, name: "tfd", type: "uint32", label: "required" },
  { number: 3, name: "events", type: "uint32", label: "required" },
  { number: 4, name: "data", type: "uint64", label: "required" },
  { number: 5, name: "dev", type: "uint32", label: "optional" },
  { number: 6, name: "inode", type: "uint64", label: "optional" },
  { number: 7, name: "pos", type: "uint64", label: "optional" },
])

/** file_entry.epfd. */
export interface eventpoll_file_entry {
  id: number
  flags: number
  fown: fown_entry
  tfd: eventpoll_tfd_entry[]
}
export const eventpoll_file_entrySchema: Schema<eventpoll_file_entry> = schema("eventpoll_file_entry", () => [
  { number: 1, name: "id", type: "uint32", label: "required" },
  { number: 2, name: "flags", type: "uint32", label: "required" },
  { number: 3, name: "fown", type: "message", label: "required", message: () => fown_entrySchema },
  { number: 4, name: "tfd", type: "message", label: "repeated", message: () => eventpoll_tfd_entrySchema },
])
