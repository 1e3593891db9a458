// Made from proto/time.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** Seconds and microseconds. */
export interface timeval {
  tv_sec: bigint
  tv_usec: bigint
}
export const timevalSchema: Schema<timeval> = schema("timeval", () => [
  { number: 1, name: "tv_sec", type: "uint64", label: "required" },
  { number: 2, name: "tv_usec", type: "uint64", label: "required" },
])
