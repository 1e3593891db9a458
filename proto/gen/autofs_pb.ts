// Made from proto/autofs.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** autofs-%u.img, one entry: the mount options and the control pipe. */
export interface autofs_entry {
  fd: number
  pgrp: number
  timeout: number
  minproto: number
  maxproto: number
  mode: number
  uid?: number
  gid?: number
  read_fd?: number
}
export const autofs_entrySchema: Schema<autofs_entry> = schema("autofs_entry", () => [
  { number: 1, name: "fd", type: "int32", label: "required" },
  { number: 2, name: "pgrp", type: "int32", label: "required" },
  { number: 3, name: "timeout", type: "int32", label: "required" },
  { number: 4, name: "minproto", type: "int32", label: "required" },
  { number: 5, name: "maxproto", type: "int32", label: "required" },
  { number: 6, name: "mode", type: "int32", label: "required" },
  { number: 7, name: "uid", type: "int32", label: "optional" },
  { number: 8, name: "gid", type: "int32", label: "optional" },
  { number: 9, name: "read_fd", type: "int32", label: "optional" },
])
