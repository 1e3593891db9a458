import { type Moment, type Moments, orderMoments } from "./moments.ts"
import { OUTSIDE, type Places, refusal } from "./places.ts"

/** Who a task is born from. */
export interface Birth {
  readonly from: number
  /** Before `from` calls setsid. */
  readonly early: boolean
}

/** Placements tried before a tree is given up. */
const TRIES = 100_000

/**
 * Decides from whom each process, and each stand-in for a session leader that is gone, is born.
 *
 * Only ancestors matter, see ./moments.ts: whatever is born at the right place can be brought to its final parent, because a helper can give
 * birth where that parent cannot, and every ancestor can be the only subreaper at the moment the helper ends.
 *
 * @returns all but the root, by PID or session id
 * @throws CheckpointError E_IMAGE_UNSUPPORTED no order of births leads to this tree
 */
export function traceLineage(places: Places): Map<number, Birth> {
  const moments = orderMoments(places)
  const { root, first } = moments
  const knot = placeLeaves(places, moments)
  const search: Search = { marks: 0, tries: 0, stuck: [] }
  if (root.above.length > 0) throw refuse(places, [...first.values()], search)
  if (!place(root, knot, OUTSIDE, search)) throw refuse(places, search.stuck, search)
  const births = new Map<number, Birth>()
  for (const [task, { parent }] of first) if (parent) births.set(task, { from: parent.task, early: parent.state === "before" })
  return births
}

/**
 * Places every task with an obvious place and nothing unplaced below it, leaves first. Returns the moments of all others but the root's
 * first: what hangs together by sessions that cross the tree. For most trees that is nothing.
 */
function placeLeaves(places: Places, { root, first, last }: Moments): Moment[] {
  const others = (task: number): number => {
    const [birth, end] = [first.get(task), last.get(task)]
    return birth && end && birth !== end ? birth.below.length - 1 + end.below.length : (birth?.below.length ?? 0)
  }
  const open = new Map([...first.keys()].map((task) => [task, others(task)]))
  const leaves = [...open].filter(([, count]) => count === 0).map(([task]) => task)
  for (let task = leaves.pop(); task !== undefined; task = leaves.pop()) {
    const [birth, end] = [first.get(task), last.get(task)]
    const parent = birth && birth !== root ? obviousPlace(places, birth, { root, first, last }) : undefined
    if (!birth || !parent) continue
    birth.parent = parent
    if (end && end !== birth) end.parent = birth
    open.delete(task)
    for (const { task: upper } of birth.above) {
      const count = (open.get(upper) ?? 0) - 1
      open.set(upper, count)
      if (count === 0) leaves.push(upper)
    }
  }
  const rest = [...open.keys()].flatMap((task) => [first.get(task), last.get(task)])
  return [...new Set(rest)].filter((moment): moment is Moment => moment !== undefined && moment !== root)
}

/** The place of a task with nothing below it, where its surroundings leave no doubt. */
function obviousPlace({ members }: Places, birth: Moment, { first, last }: Moments): Moment | undefined {
  const parent = last.get(members.get(birth.task)?.ppid ?? 0)
  if (birth.state === "plain") {
    if (parent?.session === birth.session) return parent
    // The parent is known to be above the leader, so it can adopt a child of any in the session.
    const session = birth.session ?? OUTSIDE
    return first.get(session)?.above.some(({ task }) => task === parent?.task) ? last.get(session) : undefined
  }
  // All that must be above a leader is above the lowest of them, if they are ancestors of each other.
  const wanted = new Set(birth.above.map(({ task }) => task))
  for (const lowest of wanted) {
    const left = new Set(wanted)
    for (let at = members.get(lowest); at && left.size > 0; at = members.get(at.ppid)) left.delete(at.pid)
    if (left.size === 0) return last.get(lowest)
  }
  return undefined
}

interface Search {
  marks: number
  tries: number
  /** The first set that had no place. */
  stuck: readonly Moment[]
}

/**
 * Places `rest` below `top`, whose children are born into `session`. What is not connected can be placed side by side; what is connected
 * has one of its own at its top, which is one that needs none of the others above it.
 */
function place(top: Moment, rest: readonly Moment[], session: number, search: Search): boolean {
  if (++search.tries > TRIES) return false
  const parts = split(rest, search)
  if (top.state !== "before") return parts.every((part) => placePart(top, part, session, search))
  // The leader's setsid comes next below it. What nobody of the old session hangs on goes below the setsid, where it is when all is done.
  const stays = (part: readonly Moment[]): boolean => part.some((one) => one.state === "plain" && one.session === session)
  const setsid = rest.find((one) => one.state === "after" && one.task === top.task)
  const own = parts.find((part) => setsid && part.includes(setsid))
  if (!setsid || !own || stays(own)) return stick(search, own ?? rest)
  setsid.parent = top
  const early = parts.filter(stays)
  const late = parts.filter((part) => !stays(part)).flat()
  if (!place(setsid, without(late, setsid), top.task, search)) return false
  return early.every((part) => placePart(top, part, session, search))
}

/** Places connected moments below `top`. */
function placePart(top: Moment, part: readonly Moment[], session: number, search: Search): boolean {
  const mark = part[0]?.mark
  const sources = part.filter(({ above }) => above.every((one) => one.mark !== mark))
  // A member of this very session at the top is in nobody's way, so no other choice needs to be tried.
  const plain = sources.find((one) => one.state === "plain" && one.session === session)
  const choices = plain ? [plain] : sources.filter(({ state }) => state === "before")
  for (const choice of choices) {
    choice.parent = top
    if (place(choice, without(part, choice), session, search)) return true
  }
  return stick(search, part)
}

function stick(search: Search, part: readonly Moment[]): false {
  if (search.stuck.length === 0) search.stuck = part
  return false
}

const without = (part: readonly Moment[], gone: Moment): Moment[] => part.filter((one) => one !== gone)

/** Sets of moments connected by what must be above what, each with a mark of its own. */
function split(rest: readonly Moment[], search: Search): Moment[][] {
  const unseen = ++search.marks
  for (const one of rest) one.mark = unseen
  const parts: Moment[][] = []
  for (const start of rest) {
    if (start.mark !== unseen) continue
    const mark = ++search.marks
    const part = [start]
    start.mark = mark
    for (const one of part)
      for (const next of [...one.above, ...one.below])
        if (next.mark === unseen) {
          next.mark = mark
          part.push(next)
        }
    parts.push(part)
  }
  return parts
}

/**
 * Names a process of `stuck` that is in another session than its parent without leading it: one whose parent never led a session, if there
 * is one, since such a parent has to be above that session's leader.
 */
function refuse({ members, sessionOf }: Places, stuck: readonly Moment[], { tries }: Search): Error {
  const crossing = stuck.flatMap(({ task }) => {
    const [member, parent] = [members.get(task), members.get(members.get(task)?.ppid ?? 0)]
    return member && parent && member.sid !== member.pid && sessionOf(parent.pid) !== sessionOf(member.pid) ? [{ member, parent }] : []
  })
  const worst = crossing.find(({ parent }) => parent.sid !== parent.pid) ?? crossing[0]
  const why =
    tries > TRIES ? `none of ${TRIES} orders of births leads there` : "no order of forks, setsid and adoption by a subreaper leads there"
  if (!worst)
    return refusal(`the sessions of processes ${[...new Set(stuck.map(({ task }) => task))].join(", ")} contradict each other; ${why}`)
  const { member, parent } = worst
  return refusal(`process ${member.pid} belongs to session ${member.sid} and its parent ${parent.pid} to session ${parent.sid}; ${why}`)
}
