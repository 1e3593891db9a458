// Made from proto/timens.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** Seconds and nanoseconds. */
export interface timespec {
  tv_sec: bigint
  tv_nsec: bigint
}
export const timespecSchema: Schema<timespec> = schema("timespec", () => [
  { number: 1, name: "tv_sec", type: "uint64", label: "required" },
  { number: 2, name: "tv_nsec", type: "uint64", label: "required" },
])

/** timens-%u.img, one entry. */
export interface timens_entry {
  monotonic: timespec
  boottime: timespec
}
export const timens_entrySchema: Schema<timens_entry> = schema("timens_entry", () => [
  { number: 1, name: "monotonic", type: "message", label: "required", message: () => timespecSchema },
  { number: 2, name: "boottime", type: "message", label: "required", message: () => timespecSchema },
])
