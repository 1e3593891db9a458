// Made from proto/apparmor.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** One loaded policy, as a raw blob. */
export interface aa_policy {
  name: string
  blob: Uint8Array
}
export const aa_policySchema: Schema<aa_policy> = schema("aa_policy", () => [
  { number: 1, name: "name", type: "string", label: "required" },
  { number: 2, name: "blob", type: "bytes", label: "required" },
])

/** A policy namespace and those below it. */
export interface aa_namespace {
  name: string
  policies: aa_policy[]
  namespaces: aa_namespace[]
}
export const aa_namespaceSchema: Schema<aa_namespace> = schema("aa_namespace", () => [
  { number: 1, name: "name", type: "string", label: "required" },
  { number: 2, name: "policies", type: "message", label: "repeated", message: () => aa_policySchema },
  { number: 3, name: "namespaces", type: "message", label: "repeated", message: () => aa_namespaceSchema },
])

/** apparmor.img, one entry. */
export interface apparmor_entry {
  namespaces: aa_namespace[]
}
export const apparmor_entrySchema: Schema<apparmor_entry> = schema("apparmor_entry", () => [
  { number: 1, name: "namespaces", type: "message", label: "repeated", message: () => aa_namespaceSchema },
])
