// Made from proto/timens.proto by build/generate.ts. Not to be edited.
import type { Schema } from "../schema.ts"

/** Seconds and nanoseconds. */
export interface timespec {
  tv_sec: bigint
  tv_nsec: bigint
}
export const timespecSchema: Schema<timespec> = {
  name: "timespec",
  fields: [
    { number: 1, name: "tv_sec", type: "uint64", label: "required" },
    { number: 2, name: "tv_nsec", type: "uint64", label: "required" },
  ],
}

/** timens-%u.img, one entry. */
export interface timens_entry {
  monotonic: timespec
  boottime: timespec
}
export const timens_entrySchema: Schema<timens_entry> = {
  name: "timens_entry",
  fields: [
    { number: 1, name: "monotonic", type: "message", label: "required", message: () => timespecSchema },
    { number: 2, name: "boottime", type: "message", label: "required", message: () => timespecSchema },
  ],
}
