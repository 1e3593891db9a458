import { logger } from "../../base/log.ts"
import type { EntryKind } from "../../image/catalog.ts"
import type { ImageSet } from "../../image/set.ts"
import { type IdRange, idHere, readOwnIds } from "../../proc/idmap.ts"
import { inFirstUserNamespace } from "../../proc/rights.ts"

const log = logger("restore")

/** Fields of all messages that hold IDs of users and groups. */
const USERS: ReadonlySet<string> = new Set(["uid", "euid", "suid", "fsuid", "cuid"])
const GROUPS: ReadonlySet<string> = new Set(["gid", "egid", "sgid", "fsgid", "cgid"])

/** Changes IDs in a decoded message and all that it holds. @param change gives what an ID is here */
export function changeIds(message: unknown, change: (id: number, isGroup: boolean) => number): void {
  if (typeof message !== "object" || message === null || ArrayBuffer.isView(message)) return
  const fields = message as Record<string, unknown>
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value === "number" && (USERS.has(name) || GROUPS.has(name))) fields[name] = change(value, GROUPS.has(name))
    // Of credentials alone: other messages have other groups.
    else if (name === "groups" && "fsgid" in fields && Array.isArray(value)) fields[name] = value.map((id: number) => change(id, true))
    else changeIds(value, change)
  }
}

/**
 * A set of images with the IDs that its users have in this user namespace, see `idHere`. Each that is another one is told.
 *
 * In the machine's own user namespace the set as it is.
 */
export function withOwnIds(set: ImageSet): ImageSet {
  if (inFirstUserNamespace()) return set
  const { uids, gids } = readOwnIds()
  const told = new Set<string>()
  const change = (id: number, isGroup: boolean): number => {
    const map: readonly IdRange[] = isGroup ? gids : uids
    const here = idHere(id, map)
    const text = `${isGroup ? "group" : "user"} ${id} of the images is ${here} in this user namespace, and the tree sees it so`
    if (here !== id && !told.has(text)) log.warn(text)
    told.add(text)
    return here
  }
  const changed = <K extends EntryKind, T>(kind: K, message: T): T => {
    // Nobody's owner has ID 0 in open files; netlink has no IDs of users.
    if (kind !== "inventory" && kind !== "pstree") changeIds(message, change)
    return message
  }
  return {
    ...set,
    one: (kind, id) => changed(kind, set.one(kind, id)),
    all: (kind, id) => set.all(kind, id).map((message) => changed(kind, message)),
    optional: (kind, id) => set.optional(kind, id).map((message) => changed(kind, message)),
    ghost(number) {
      const { path, entries } = set.ghost(number)
      return { path, entries: entries.map((one) => ({ ...one, message: changed("ghost-file", one.message) })) }
    },
    withPayloads: (kind, id) => set.withPayloads(kind, id).map((one) => ({ ...one, message: changed(kind, one.message) })),
  }
}
