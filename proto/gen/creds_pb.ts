// Made from proto/creds.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** Credentials of a thread; capability sets are 32-bit words, low first. */
export interface creds_entry {
  uid: number
  gid: number
  euid: number
  egid: number
  suid: number
  sgid: number
  fsuid: number
  fsgid: number
  cap_inh: number[]
  cap_prm: number[]
  cap_eff: number[]
  cap_bnd: number[]
  secbits: number
  groups: number[]
  lsm_profile?: string
  lsm_sockcreate?: string
  apparmor_data?: Uint8Array
  no_new_privs?: number
  cap_amb: number[]
}
export const creds_entrySchema: Schema<creds_entry> = schema("creds_entry", () => [
  { number: 1, name: "uid", type: "uint32", label: "required" },
  { number: 2, name: "gid", type: "uint32", label: "required" },
  { number: 3, name: "euid", type: "uint32", label: "required" },
  { number: 4, name: "egid", type: "uint32", label: "required" },
  { number: 5, name: "suid", type: "uint32", label: "required" },
  { number: 6, name: "sgid", type: "uint32", label: "required" },
  { number: 7, name: "fsuid", type: "uint32", label: "required" },
  { number: 8, name: "fsgid", type: "uint32", label: "required" },
  { number: 9, name: "cap_inh", type: "uint32", label: "repeated" },
  { number: 10, name: "cap_prm", type: "uint32", label: "repeated" },
  { number: 11, name: "cap_eff", type: "uint32", label: "repeated" },
  { number: 12, name: "cap_bnd", type: "uint32", label: "repeated" },
  { number: 13, name: "secbits", type: "uint32", label: "required" },
  { number: 14, name: "groups", type: "uint32", label: "repeated" },
  { number: 15, name: "lsm_profile", type: "string", label: "optional" },
  { number: 16, name: "lsm_sockcreate", type: "string", label: "optional" },
  { number: 17, name: "apparmor_data", type: "bytes", label: "optional" },
  { number: 18, name: "no_new_privs", type: "uint32", label: "optional" },
  { number: 19, name: "cap_amb", type: "uint32", label: "repeated" },
])
