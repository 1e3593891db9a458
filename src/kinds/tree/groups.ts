import { enact, type Rounds } from "./adoptions.ts"
import { addHelper, type Newborn, type Newborns } from "./newborns.ts"
import { OUTSIDE, type Places, refusal } from "./places.ts"
import type { Member, Round, TaskId } from "./plan.ts"

/** Everyone who is in a group when all is done. */
interface Group {
  /** OUTSIDE = that of whoever restores. */
  readonly pgid: number
  readonly session: number
  readonly members: Member[]
}

/**
 * Plans the process groups: setpgid by everyone who is not in his group by birth, after all births and setsids are done. Adds to `newborns`
 * helpers that lead the groups whose leaders are gone; they are born with all others and end here.
 *
 * setpgid needs a living member of the group in the caller's own session, and no session's leader may call it.
 * Authority: kernel/sys.c SYSCALL_DEFINE2(setpgid), setpgid(2)
 *
 * @throws CheckpointError E_IMAGE_UNSUPPORTED a group in two sessions, or not in the session of its leader
 */
export function planGroups(places: Places, newborns: Newborns): Round[] {
  const groups = findGroups(places)
  const hosts = findHosts(places, newborns)
  // Whoever made a group that has members and is in another now: it goes when the others are in.
  const leaves = ({ pid, pgid }: Member): boolean => pid !== pgid && groups.has(pid)
  const [MAKE, JOIN, LEAVE, EXIT, REAP] = [0, 1, 2, 3, 4]
  const rounds: Rounds = []
  const help = (session: number, task?: TaskId): TaskId => {
    const host = hosts.get(session)
    if (!host) throw new Error("Unreachable: a group in a session without members")
    const helper = addHelper(newborns, host, task).task
    enact(rounds, EXIT, helper, { act: "exit" })
    enact(rounds, REAP, host.task, { act: "reap", child: helper })
    return helper
  }
  for (const { pgid, session, members } of groups.values()) {
    // The first group of a session is that of all who are born into it.
    const inherited = pgid === session
    const owner = places.members.get(pgid)
    if (!inherited) enact(rounds, MAKE, owner ? pgid : help(session, pgid), { act: "setpgid", pgid })
    // Only those come who have to leave another first: someone has to keep the group until then. The one outside has its own members.
    const empty = pgid !== OUTSIDE && members.every(leaves) && (owner ? leaves(owner) : inherited)
    const keeper = empty ? help(session) : undefined
    if (keeper !== undefined && !inherited) enact(rounds, JOIN, keeper, { act: "setpgid", pgid })
    for (const member of members) {
      if (leaves(member)) enact(rounds, LEAVE, member.pid, { act: "setpgid", pgid: pgid === OUTSIDE ? "outside" : pgid })
      else if (!inherited && member.pid !== pgid) enact(rounds, JOIN, member.pid, { act: "setpgid", pgid })
    }
  }
  return rounds.filter((round) => round.size > 0)
}

/** The groups of a tree by their ids. */
function findGroups(places: Places): Map<number, Group> {
  const groups = new Map<number, Group>()
  for (const member of places.members.values()) {
    const [session, pgid] = [places.sessionOf(member.pid), places.groupOf(member)]
    const group = groups.get(pgid) ?? { pgid, session, members: [] }
    const owner = places.members.get(pgid)
    const where = `process ${member.pid} of session ${member.sid} is in group ${pgid}`
    if (owner && places.sessionOf(pgid) !== session) throw refusal(`${where}, but process ${pgid} is in session ${owner.sid}`)
    if (pgid !== session && places.gone.has(pgid)) throw refusal(`${where}, which belongs to session ${pgid}`)
    if (group.session !== session) throw refusal(`${where}, which also has members in session ${group.members[0]?.sid}`)
    group.members.push(member)
    groups.set(pgid, group)
  }
  return groups
}

/** Who bears the helpers for groups, by session: its leader, or else the first of it that is born. */
function findHosts({ members, sessionOf }: Places, newborns: Newborns): Map<number, Newborn> {
  const hosts = new Map<number, Newborn>()
  for (const newborn of newborns.values()) {
    const session = sessionOf(newborn.task)
    if (members.has(newborn.task) && !hosts.has(session)) hosts.set(session, newborn)
  }
  return hosts
}
