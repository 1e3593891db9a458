import { CheckpointError } from "../../base/errors.ts"
import type { Member } from "./plan.ts"

/** The session, or the group, of whoever restores. No PID is 0. */
export const OUTSIDE = 0

/** The members of a tree by PID, with what their ids refer to. */
export interface Places {
  readonly root: Member
  readonly members: ReadonlyMap<number, Member>
  /** Sessions whose leader is no member, in order of first sight. */
  readonly gone: ReadonlySet<number>
  /** Session of a member, or of a leader that is gone, after all; OUTSIDE = that of whoever restores. */
  readonly sessionOf: (task: number) => number
  /** Group of a member; OUTSIDE = that of whoever restores. */
  readonly groupOf: (member: Member) => number
}

/** A refusal of this tree. */
export const refusal = (found: string, cause?: unknown): CheckpointError =>
  new CheckpointError(
    "E_IMAGE_UNSUPPORTED",
    "Cannot restore this process tree",
    found,
    "Compare pstree.img with the tree that was dumped; if it is right, restart that process in the session and group of its parent, and dump again",
    cause,
  )

/**
 * Finds what the sessions and groups of a tree refer to.
 *
 * @param shellJob the root's session, and its group unless a member leads that, are those of whoever restores
 * @throws CheckpointError E_USAGE the root's session is outside and `shellJob` is off · E_IMAGE_UNSUPPORTED ids that contradict each other
 *
 * Precondition: ./check-tree.ts has passed.
 */
export function findPlaces(members: readonly Member[], shellJob: boolean): Places {
  const byPid = new Map(members.map((member) => [member.pid, member]))
  const root = members.find(({ ppid }) => ppid === 0)
  if (!root) throw new Error("Unreachable: a tree without a root")
  if (root.sid !== root.pid && byPid.has(root.sid))
    throw refusal(`process ${root.pid} is in session ${root.sid}, but process ${root.sid} descends from it`)
  if (root.sid !== root.pid && !shellJob)
    throw new CheckpointError(
      "E_USAGE",
      "Cannot restore this process tree",
      `process ${root.pid} belongs to session ${root.sid}, which is not in the images`,
      "Add --shell-job: the process joins the session of this terminal",
    )
  const outerSession = root.sid === root.pid ? undefined : root.sid
  const outerGroup = outerSession === undefined || byPid.has(root.pgid) ? undefined : root.pgid
  const gone = new Set<number>()
  for (const { pid, sid, pgid, ppid } of members) {
    const leader = byPid.get(sid)
    if (leader && leader.sid !== sid)
      throw refusal(`process ${pid} belongs to session ${sid}, but process ${sid} is itself in session ${leader.sid}`)
    if (sid === pid && pgid !== pid) throw refusal(`process ${pid} leads session ${sid}, but is in group ${pgid}; leaders never change it`)
    if (pgid === outerGroup && sid !== outerSession)
      throw refusal(`process ${pid} is in group ${pgid} of the shell's session, but in session ${sid}`)
    if (byPid.get(ppid)?.dead) throw refusal(`process ${pid} is a child of process ${ppid}, which is dead`)
    if (!leader && sid !== outerSession) gone.add(sid)
  }
  const sessionOf = (task: number): number => {
    const sid = byPid.get(task)?.sid ?? task
    return sid === outerSession ? OUTSIDE : sid
  }
  return { root, members: byPid, gone, sessionOf, groupOf: ({ pgid }) => (pgid === outerGroup ? OUTSIDE : pgid) }
}
