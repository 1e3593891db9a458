// Made from proto/timerfd.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"
import { fown_entrySchema, type fown_entry } from "./fown_pb.ts"

/** file_entry.tfd. Remaining time and interval in seconds and nanoseconds. */
export interface timerfd_entry {
  id: number
  flags: number
  fown: fown_entry
  clockid: number
  ticks: bigint
  settime_flags: number
  vsec: bigint
  vnsec: bigint
  isec: bigint
  insec: bigint
}
export const timerfd_entrySchema: Schema<timerfd_entry> = schema("timerfd_entry", () => [
  { number: 1, name: "id", type: "uint32", label: "required" },
  { number: 2, name: "flags", type: "uint32", label: "required" },
  { number: 3, name: "fown", type: "message", label: "required", message: () => fown_entrySchema },
  { number: 4, name: "clockid", type: "uint32", label: "required" },
  { number: 5, name: "ticks", type: "uint64", label: "required" },
  { number: 6, name: "settime_flags", type: "uint32", label: "required" },
  { number: 7, name: "vsec", type: "uint64", label: "required" },
  { number: 8, name: "vnsec", type: "uint64", label: "required" },
  { number: 9, name: "isec", type: "uint64", label: "required" },
  { number: 10, name: "insec", type: "uint64", label: "required" },
])
