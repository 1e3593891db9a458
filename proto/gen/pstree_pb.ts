// Made from proto/pstree.proto by build/generate.ts. Not to be edited.
import { type Schema, schema } from "../schema.ts"

/** pstree.img, one entry per process. threads[0] = pid, garbage for a zombie; ppid 0 = the root. */
export interface pstree_entry {
  pid: number
  ppid: number
  pgid: number
  sid: number
  threads: number[]
}
export const pstree_entrySchema: Schema<pstree_entry> = schema("pstree_entry", () => [
  { number: 1, name: "pid", type: "uint32", label: "required" },
  { number: 2, name: "ppid", type: "uint32", label: "required" },
  { number: 3, name: "pgid", type: "uint32", label: "required" },
  { number: 4, name: "sid", type: "uint32", label: "required" },
  { number: 5, name: "threads", type: "uint32", label: "repeated" },
])
