import { CLONE } from "../../ffi/abi/clone.ts"

/** Namespace ids of the dumping program in images: counted in this order. Authority: REFERENCE 2.3. */
export const NAMESPACE_IDS = {
  pid_ns_id: 1,
  net_ns_id: 2,
  ipc_ns_id: 3,
  uts_ns_id: 4,
  time_ns_id: 5,
  mnt_ns_id: 6,
  user_ns_id: 7,
  cgroup_ns_id: 8,
} as const

/** The first id behind those of the dumping program: of the only kind of namespace that a tree may have for itself. */
export const OWN_TIME = 9

/** A kind of namespace. */
export interface NamespaceKind {
  /** In links of /proc, such as "net:[4026531833]". */
  readonly name: string
  readonly flag: number
  readonly id: keyof typeof NAMESPACE_IDS
}

/** Every kind. Man page: namespaces(7) */
export const NAMESPACE_KINDS: readonly NamespaceKind[] = [
  { name: "pid", flag: CLONE.NEWPID, id: "pid_ns_id" },
  { name: "net", flag: CLONE.NEWNET, id: "net_ns_id" },
  { name: "ipc", flag: CLONE.NEWIPC, id: "ipc_ns_id" },
  { name: "uts", flag: CLONE.NEWUTS, id: "uts_ns_id" },
  { name: "time", flag: CLONE.NEWTIME, id: "time_ns_id" },
  { name: "mnt", flag: CLONE.NEWNS, id: "mnt_ns_id" },
  { name: "user", flag: CLONE.NEWUSER, id: "user_ns_id" },
  { name: "cgroup", flag: CLONE.NEWCGROUP, id: "cgroup_ns_id" },
]
