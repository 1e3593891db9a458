// Made from proto/sysctl.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** Which argument of a sysctl_entry holds the value. */
export enum SysctlType {
  CTL_STR = 5,
  CTL_32 = 6,
}

/** One value: iarg or sarg, by type. */
export interface sysctl_entry {
  type: SysctlType
  iarg?: number
  sarg?: string
}
export const sysctl_entrySchema: Schema<sysctl_entry> = schema("sysctl_entry", () => [
  { number: 1, name: "type", type: "enum", label: "required", values: SysctlType },
  { number: 2, name: "iarg", type: "int32", label: "optional" },
  { number: 3, name: "sarg", type: "string", label: "optional" },
])
