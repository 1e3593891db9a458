// Made from proto/seccomp.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** One filter: struct sock_filter array; prev = index of the next newer one. */
export interface seccomp_filter {
  filter: Uint8Array
  prev?: number
  flags?: number
}
export const seccomp_filterSchema: Schema<seccomp_filter> = schema("seccomp_filter", () => [
  { number: 1, name: "filter", type: "bytes", label: "required" },
  { number: 2, name: "prev", type: "uint32", label: "optional" },
  { number: 3, name: "flags", type: "uint32", label: "optional" },
])

/** seccomp.img, one entry. */
export interface seccomp_entry {
  seccomp_filters: seccomp_filter[]
}
export const seccomp_entrySchema: Schema<seccomp_entry> = schema("seccomp_entry", () => [
  { number: 1, name: "seccomp_filters", type: "message", label: "repeated", message: () => seccomp_filterSchema },
])
