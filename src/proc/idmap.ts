import { readBytesIfAlive } from "./source.ts"

/**
 * A line of /proc/PID/uid_map or gid_map: IDs from `inside` on are IDs from `outside` on in the namespace above. Man page:
 * user_namespaces(7)
 */
export interface IdRange {
  readonly inside: number
  readonly outside: number
  readonly count: number
}

/** The text of such a file -> its lines. */
export const parseIdMap = (text: string): IdRange[] =>
  text
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number))
    .flatMap(([inside, outside, count]) => (inside === undefined || outside === undefined || !count ? [] : [{ inside, outside, count }]))

/** What IDs this tool can give, and whether it may give groups. */
export interface OwnIds {
  readonly uids: readonly IdRange[]
  readonly gids: readonly IdRange[]
  /** False where setgroups(2) is forbidden: in a user namespace that an ordinary user has made. */
  readonly mayGroup: boolean
}

/** The map of the machine's own user namespace, and of a kernel without CONFIG_USER_NS, which has no such files. */
const EVERY_ID = "0 0 4294967295"

/** Reads the maps of this tool. @throws CheckpointError E_PERMISSION · E_IO */
export function readOwnIds(): OwnIds {
  const read = (name: string): string | undefined => readBytesIfAlive(`/proc/self/${name}`)?.toString("latin1")
  const map = (name: string): IdRange[] => parseIdMap(read(name) ?? EVERY_ID)
  return { uids: map("uid_map"), gids: map("gid_map"), mayGroup: read("setgroups")?.trim() !== "deny" }
}

/** True for an ID that exists in this user namespace. */
export const isMapped = (id: number, map: readonly IdRange[]): boolean =>
  map.some(({ inside, count }) => id >= inside && id < inside + count)

/**
 * What an ID of a dump is here: itself where it exists; that of the same user of the namespace above, for a dump that was made there; else
 * itself still, which the kernel refuses.
 */
export function idHere(id: number, map: readonly IdRange[]): number {
  if (isMapped(id, map)) return id
  const range = map.find(({ outside, count }) => id >= outside && id < outside + count)
  return range ? range.inside + (id - range.outside) : id
}
