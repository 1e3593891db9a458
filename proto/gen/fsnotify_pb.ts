// Made from proto/fsnotify.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"
import { fh_entrySchema, type fh_entry } from "./fh_pb.ts"
import { fown_entrySchema, type fown_entry } from "./fown_pb.ts"

/** What a fanotify mark watches. */
export enum mark_type {
  INODE = 1,
  MOUNT = 2,
}

/** One inotify watch. inotify-wd.img of old sets. */
export interface inotify_wd_entry {
  id: number
  i_ino: bigint
  mask: number
  ignored_mask: number
  s_dev: number
  wd: number
  f_handle: fh_entry
}
export const inotify_wd_entrySchema: Schema<inotify_wd_entry> = schema("inotify_wd_entry", () => [
  { number: 1, name: "id", type: "uint32", label: "required" },
  { number: 2, name: "i_ino", type: "uint64", label: "required" },
  { number: 3, name: "mask", type: "uint32", label: "required" },
  { number: 4, name: "ignored_mask", type: "uint32", label: "required" },
  { number: 5, name: "s_dev", type: "uint32", label: "required" },
  { number: 6, name: "wd", type: "uint32", label: "required" },
  { number: 7, name: "f_handle", type: "message", label: "required", message: () => fh_entrySchema },
])

/** file_entry.ify. */
export interface inotify_file_entry {
  id: number
  flags: number
  fown: fown_entry
  wd: inotify_wd_entry[]
}
export const inotify_file_entrySchema: Schema<inotify_file_entry> = schema("inotify_file_entry", () => [
  { number: 1, name: "id", type: "uint32", label: "required" },
  { number: 2, name: "flags", type: "uint32", label: "required" },
  { number: 4, name: "fown", type: "message", label: "required", message: () => fown_entrySchema },
  { number: 5, name: "wd", type: "message", label: "repeated", message: () => inotify_wd_entrySchema },
])

/** A fanotify mark on an inode. */
export interface fanotify_inode_mark_entry {
  i_ino: bigint
  f_handle: fh_entry
}
export const fanotify_inode_mark_entrySchema: Schema<fanotify_inode_mark_entry> = schema("fanotify_inode_mark_entry", () => [
  { number: 1, name: "i_ino", type: "uint64", label: "required" },
  { number: 2, name: "f_handle", type: "message", label: "required", message: () => fh_entrySchema },
])

/** A fanotify mark on a mount. */
export interface fanotify_mount_mark_entry {
  mnt_id: number
  path?: string
}
export const fanotify_mount_mark_entrySchema: Schema<fanotify_mount_mark_entry> = schema("fanotify_mount_mark_entry", () => [
  { number: 1, name: "mnt_id", type: "uint32", label: "required" },
  { number: 2, name: "path", type: "string", label: "optional" },
])

/** One fanotify mark. fanotify-mark.img of old sets. */
export interface fanotify_mark_entry {
  id: number
  type: mark_type
  mflags: number
  mask: number
  ignored_mask: number
  s_dev: number
  ie?: fanotify_inode_mark_entry
  me?: fanotify_mount_mark_entry
}
export const fanotify_mark_entrySchema: Schema<fanotify_mark_entry> = schema("fanotify_mark_entry", () => [
  { number: 1, name: "id", type: "uint32", label: "required" },
  { number: 2, name: "type", type: "enum", label: "required", values: mark_type },
  { number: 3, name: "mflags", type: "uint32", label: "required" },
  { number: 4, name: "mask", type: "uint32", label: "required" },
  { number: 5, name: "ignored_mask", type: "uint32", label: "required" },
  { number: 6, name: "s_dev", type: "uint32", label: "required" },
  { number: 7, name: "ie", type: "message", label: "optional", message: () => fanotify_inode_mark_entrySchema },
  { number: 8, name: "me", type: "message", label: "optional", message: () => fanotify_mount_mark_entrySchema },
])

/** file_entry.ffy. */
export interface fanotify_file_entry {
  id: number
  flags: number
  fown: fown_entry
  faflags: number
  evflags: number
  mark: fanotify_mark_entry[]
}
export const fanotify_file_entrySchema: Schema<fanotify_file_entry> = schema("fanotify_file_entry", () => [
  { number: 1, name: "id", type: "uint32", label: "required" },
  { number: 2, name: "flags", type: "uint32", label: "required" },
  { number: 3, name: "fown", type: "message", label: "required", message: () => fown_entrySchema },
  { number: 4, name: "faflags", type: "uint32", label: "required" },
  { number: 5, name: "evflags", type: "uint32", label: "required" },
  { number: 6, name: "mark", type: "message", label: "repeated", message: () => fanotify_mark_entrySchema },
])
