// Made from proto/siginfo.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** One queued signal: the 128 raw bytes of siginfo_t. */
export interface siginfo_entry {
  siginfo: Uint8Array
}
export const siginfo_entrySchema: Schema<siginfo_entry> = schema("siginfo_entry", () => [
  { number: 1, name: "siginfo", type: "bytes", label: "required" },
])

/** A queue of signals, oldest first. */
export interface signal_queue_entry {
  signals: siginfo_entry[]
}
export const signal_queue_entrySchema: Schema<signal_queue_entry> = schema("signal_queue_entry", () => [
  { number: 1, name: "signals", type: "message", label: "repeated", message: () => siginfo_entrySchema },
])
