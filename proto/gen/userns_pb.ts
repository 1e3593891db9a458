// Made from proto/userns.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** One line of an ID map. */
export interface uid_gid_extent {
  first: number
  lower_first: number
  count: number
}
export const uid_gid_extentSchema: Schema<uid_gid_extent> = schema("uid_gid_extent", () => [
  { number: 1, name: "first", type: "uint32", label: "required" },
  { number: 2, name: "lower_first", type: "uint32", label: "required" },
  { number: 3, name: "count", type: "uint32", label: "required" },
])

/** userns-%u.img, one entry. */
export interface userns_entry {
  uid_map: uid_gid_extent[]
  gid_map: uid_gid_extent[]
}
export const userns_entrySchema: Schema<userns_entry> = schema("userns_entry", () => [
  { number: 1, name: "uid_map", type: "message", label: "repeated", message: () => uid_gid_extentSchema },
  { number: 2, name: "gid_map", type: "message", label: "repeated", message: () => uid_gid_extentSchema },
])
