// Made from proto/mnt.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** File system of a mount. AUTO: named in fsname. UNSUPPORTED is normal for the root file system. */
export enum fstype {
  UNSUPPORTED = 0,
  PROC = 1,
  SYSFS = 2,
  DEVTMPFS = 3,
  BINFMT_MISC = 4,
  TMPFS = 5,
  DEVPTS = 6,
  SIMFS = 7,
  PSTORE = 8,
  SECURITYFS = 9,
  FUSECTL = 10,
  DEBUGFS = 11,
  CGROUP = 12,
  AUFS = 13,
  MQUEUE = 14,
  FUSE = 15,
  AUTO = 16,
  OVERLAYFS = 17,
  AUTOFS = 18,
  TRACEFS = 19,
  CGROUP2 = 23,
}

/** mountpoints-%u.img, one entry per mount. flags MS_*. */
export interface mnt_entry {
  fstype: number
  mnt_id: number
  root_dev: number
  parent_mnt_id: number
  flags: number
  root: string
  mountpoint: string
  source: string
  options: string
  shared_id?: number
  master_id?: number
  with_plugin?: boolean
  ext_mount?: boolean
  fsname?: string
  internal_sharing?: boolean
  deleted?: boolean
  sb_flags?: number
  ext_key?: string
}
export const mnt_entrySchema: Schema<mnt_entry> = schema("mnt_entry", () => [
  { number: 1, name: "fstype", type: "uint32", label: "required" },
  { number: 2, name: "mnt_id", type: "uint32", label: "required" },
  { number: 3, name: "root_dev", type: "uint32", label: "required" },
  { number: 4, name: "parent_mnt_id", type: "uint32", label: "required" },
  { number: 5, name: "flags", type: "uint32", label: "required" },
  { number: 6, name: "root", type: "string", label: "required" },
  { number: 7, name: "mountpoint", type: "string", label: "required" },
  { number: 8, name: "source", type: "string", label: "required" },
  { number: 9, name: "options", type: "string", label: "required" },
  { number: 10, name: "shared_id", type: "uint32", label: "optional" },
  { number: 11, name: "master_id", type: "uint32", label: "optional" },
  { number: 12, name: "with_plugin", type: "bool", label: "optional" },
  { number: 13, name: "ext_mount", type: "bool", label: "optional" },
  { number: 14, name: "fsname", type: "string", label: "optional" },
  { number: 15, name: "internal_sharing", type: "bool", label: "optional" },
  { number: 16, name: "deleted", type: "bool", label: "optional" },
  { number: 17, name: "sb_flags", type: "uint32", label: "optional" },
  { number: 18, name: "ext_key", type: "string", label: "optional" },
])
