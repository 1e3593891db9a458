import type { ns_file_entry } from "../../../../proto/gen/ns_pb.ts"
import { ownNamespaces, readNamespace } from "../../../proc/links.ts"
import { NAMESPACE_IDS, NAMESPACE_KINDS, type NamespaceKind, OWN_TIME } from "../../namespaces.ts"
import type { Found, OpenFile, Reason } from "../collecting.ts"

const LINK = /^([a-z]+):\[\d+\]$/

/** Kind of the namespace behind a link such as "net:[4026531833]"; undefined for other links. Kernel: fs/nsfs.c ns_dname() */
function kindOf(target: string): NamespaceKind | undefined {
  const name = LINK.exec(target)?.[1]
  return NAMESPACE_KINDS.find((kind) => kind.name === name)
}

/** Namespaces, as /proc/PID/ns opens them. */
export const isNamespace = ({ target }: Found): boolean => kindOf(target) !== undefined

/** A namespace is kept as the one that the program is in itself; any other would have to be made anew. */
export function refuseNamespace({ target, stat, pid }: Found): Reason | undefined {
  const own = readNamespace(pid, kindOf(target)?.name ?? "")
  if (own === undefined || own === stat.ino) return undefined
  return { what: `a namespace ("${target}") that the program is not in`, remedy: "Let the program close it before the dump" }
}

/** An open namespace -> its entry. Mirror: ./restore.ts */
export function collectNamespace({ id, flags, target, stat }: OpenFile): ns_file_entry {
  const kind = kindOf(target)
  if (!kind) throw new Error(`Unreachable: "${target}" is no namespace`)
  const isOwn = kind.id === "time_ns_id" && ownNamespaces().get("time") !== stat.ino
  return { id, ns_id: isOwn ? OWN_TIME : NAMESPACE_IDS[kind.id], ns_cflag: kind.flag, flags }
}
