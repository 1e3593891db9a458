import { CAP } from "../../ffi/abi/caps.ts"
import { CheckpointError } from "../base/errors.ts"
import { isMapped, type OwnIds, readOwnIds } from "../proc/idmap.ts"
import { hasCapability, isFirstProcess } from "../proc/rights.ts"
import { readStatus, type Status } from "../proc/status.ts"
import type { CheckedFeature } from "./features/feature.ts"
import { lookAtFeature } from "./features/features.ts"
import type { SavedTree } from "./images.ts"

/**
 * What an ordinary user types in front of a restore: namespaces of his own, in which he keeps his ID and has every capability. Man page:
 * unshare(1)
 */
export const OWN_NAMESPACES = "unshare -Ucpf --keep-caps --mount-proc"

/**
 * Whether the kernel lets this tool choose the PID of a new process, by trying: no process outlives the look.
 *
 * Man page: clone3(2), set_tid
 */
export const lookForPidChoice = (): CheckedFeature => lookAtFeature("clone3_set_tid")

/** Why no PID can be chosen here, and what to do; none where one can. */
function pidComplaint(pid: number, imagesDir: string): CheckpointError[] {
  const choice = lookForPidChoice()
  if (choice.present !== false) return []
  const action = `Cannot create process ${pid}`
  if (!choice.detail.includes("EPERM")) return [new CheckpointError("E_KERNEL", action, choice.detail, "Use Linux 5.5 or newer")]
  const next = `Restore in namespaces of your own: ${OWN_NAMESPACES} stasis restore ${imagesDir}; or as root, or with CAP_CHECKPOINT_RESTORE`
  return [new CheckpointError("E_PERMISSION", action, "choosing a PID is not allowed", next)]
}

/** What this tool is, as far as IDs go. */
export interface OwnRights {
  readonly ids: OwnIds
  readonly status: Pick<Status, "uid" | "gid">
  readonly maySetUser: boolean
  readonly maySetGroup: boolean
}

const readOwnRights = (): OwnRights => ({
  ids: readOwnIds(),
  status: readStatus(process.pid),
  maySetUser: hasCapability(CAP.SETUID),
  maySetGroup: hasCapability(CAP.SETGID),
})

/** IDs of one kind of one thread that cannot be given, in words; undefined when all can. */
function unsettable(
  what: string,
  wanted: readonly number[],
  map: OwnIds["uids"],
  own: readonly number[],
  may: boolean,
): string | undefined {
  const unknown = wanted.find((id) => !isMapped(id, map))
  if (unknown !== undefined) return `it had ${what} ID ${unknown}, which does not exist in this user namespace`
  const foreign = wanted.find((id) => !own.includes(id))
  return foreign === undefined || may
    ? undefined
    : `it had ${what} ID ${foreign}, and giving it needs CAP_SET${what === "user" ? "U" : "G"}ID`
}

/** User and group IDs of threads that cannot be given here, one complaint a process. */
export const idComplaints = ({ processes }: Pick<SavedTree, "processes">, rights: OwnRights): CheckpointError[] =>
  processes.flatMap(({ tree: { pid }, threads }) => {
    const { ids, status, maySetUser, maySetGroup } = rights
    for (const { core } of threads) {
      if (!core.creds) continue
      const { uid, euid, suid, fsuid, gid, egid, sgid, fsgid } = core.creds
      const found =
        unsettable("user", [uid, euid, suid, fsuid], ids.uids, Object.values(status.uid), maySetUser) ??
        unsettable("group", [gid, egid, sgid, fsgid], ids.gids, Object.values(status.gid), maySetGroup)
      if (found !== undefined)
        return [
          new CheckpointError(
            "E_PERMISSION",
            `Cannot restore process ${pid}`,
            found,
            "Restore as that user or as root, or in a user namespace that has the ID (newuidmap)",
          ),
        ]
    }
    return []
  })

/** The first process that may gain privileges, where nobody may who comes of this tool. Man page: PR_SET_NO_NEW_PRIVS(2const) */
export function privilegeComplaints(
  { processes }: Pick<SavedTree, "processes">,
  { noNewPrivs }: Pick<Status, "noNewPrivs">,
): CheckpointError[] {
  const bound = noNewPrivs
    ? processes.find(({ threads }) => threads.some(({ core: { creds } }) => creds && !creds.no_new_privs))
    : undefined
  if (!bound) return []
  const found = "stasis has no_new_privs set, which all that it makes inherits, and the process had not"
  const next = "Restore from where it is not set (setpriv --no-new-privs, NoNewPrivileges= of systemd, no-new-privileges of a container)"
  return [new CheckpointError("E_PERMISSION", `Cannot restore process ${bound.tree.pid}`, found, next)]
}

/** What stands against a restore by this user, as CheckpointErrors; none when nothing does. No process is made. */
export const rightsComplaints = (saved: SavedTree, imagesDir: string): CheckpointError[] => [
  // Before that of the PID, which namespaces of one's own would help against.
  ...idComplaints(saved, readOwnRights()),
  ...pidComplaint(saved.root.tree.pid, imagesDir),
  ...privilegeComplaints(saved, readStatus(process.pid)),
]

/**
 * Checks that this tool may end before the tree: the first process of a PID namespace takes all others with it.
 *
 * @throws CheckpointError E_RESTORE
 */
export function checkBackground({ detached, imagesDir }: { readonly detached: boolean; readonly imagesDir: string }): void {
  if (isFirstProcess() && detached)
    throw new CheckpointError(
      "E_RESTORE",
      `Cannot restore from "${imagesDir}" in the background`,
      "stasis is the first process of this PID namespace, and all others end with it",
      "Leave out -d: stasis waits for the tree then",
    )
}
