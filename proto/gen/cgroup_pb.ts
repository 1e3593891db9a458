// Made from proto/cgroup.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** Owner and mode of a cgroup directory or property. */
export interface cgroup_perms {
  mode: number
  uid: number
  gid: number
}
export const cgroup_permsSchema: Schema<cgroup_perms> = schema("cgroup_perms", () => [
  { number: 1, name: "mode", type: "uint32", label: "required" },
  { number: 2, name: "uid", type: "uint32", label: "required" },
  { number: 3, name: "gid", type: "uint32", label: "required" },
])

/** A property file of a cgroup directory. */
export interface cgroup_prop_entry {
  name: string
  value: string
  perms?: cgroup_perms
}
export const cgroup_prop_entrySchema: Schema<cgroup_prop_entry> = schema("cgroup_prop_entry", () => [
  { number: 1, name: "name", type: "string", label: "required" },
  { number: 2, name: "value", type: "string", label: "required" },
  { number: 3, name: "perms", type: "message", label: "optional", message: () => cgroup_permsSchema },
])

/** A cgroup directory: a full path at the top, names relative to the parent below. */
export interface cgroup_dir_entry {
  dir_name: string
  children: cgroup_dir_entry[]
  properties: cgroup_prop_entry[]
  dir_perms?: cgroup_perms
}
export const cgroup_dir_entrySchema: Schema<cgroup_dir_entry> = schema("cgroup_dir_entry", () => [
  { number: 1, name: "dir_name", type: "string", label: "required" },
  { number: 2, name: "children", type: "message", label: "repeated", message: () => cgroup_dir_entrySchema },
  { number: 3, name: "properties", type: "message", label: "repeated", message: () => cgroup_prop_entrySchema },
  { number: 4, name: "dir_perms", type: "message", label: "optional", message: () => cgroup_permsSchema },
])

/** A hierarchy with the controllers mounted together on it. */
export interface cg_controller_entry {
  cnames: string[]
  dirs: cgroup_dir_entry[]
  is_threaded?: boolean
}
export const cg_controller_entrySchema: Schema<cg_controller_entry> = schema("cg_controller_entry", () => [
  { number: 1, name: "cnames", type: "string", label: "repeated" },
  { number: 2, name: "dirs", type: "message", label: "repeated", message: () => cgroup_dir_entrySchema },
  { number: 3, name: "is_threaded", type: "bool", label: "optional" },
])

/** Where a set sits in one hierarchy. cgns_prefix: bytes of the path that a cgroup namespace hides. */
export interface cg_member_entry {
  name: string
  path: string
  cgns_prefix?: number
}
export const cg_member_entrySchema: Schema<cg_member_entry> = schema("cg_member_entry", () => [
  { number: 1, name: "name", type: "string", label: "required" },
  { number: 2, name: "path", type: "string", label: "required" },
  { number: 3, name: "cgns_prefix", type: "uint32", label: "optional" },
])

/** A combination of cgroups that tasks share; core images refer to its id. */
export interface cg_set_entry {
  id: number
  ctls: cg_member_entry[]
}
export const cg_set_entrySchema: Schema<cg_set_entry> = schema("cg_set_entry", () => [
  { number: 1, name: "id", type: "uint32", label: "required" },
  { number: 2, name: "ctls", type: "message", label: "repeated", message: () => cg_member_entrySchema },
])

/** cgroup.img, one entry. */
export interface cgroup_entry {
  sets: cg_set_entry[]
  controllers: cg_controller_entry[]
}
export const cgroup_entrySchema: Schema<cgroup_entry> = schema("cgroup_entry", () => [
  { number: 1, name: "sets", type: "message", label: "repeated", message: () => cg_set_entrySchema },
  { number: 2, name: "controllers", type: "message", label: "repeated", message: () => cg_controller_entrySchema },
])
