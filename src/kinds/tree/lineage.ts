import { placeLeaves, shortenLines } from "./knot.ts"
import { type Moment, orderMoments } from "./moments.ts"
import { OUTSIDE, type Places, refusal } from "./places.ts"

/** Who a task is born from. */
export interface Birth {
  readonly from: number
  /** Before `from` calls setsid. */
  readonly early: boolean
}

/** Moments looked at before a tree is given up: a second or two. The trees that programs make need some hundreds. */
const PATIENCE = 5_000_000

/**
 * Decides from whom each process, and each stand-in for a session leader that is gone, is born.
 *
 * Only ancestors matter, see ./moments.ts: whatever is born at the right place can be brought to its final parent, because a helper can
 * give birth where that parent cannot, and every ancestor can be the only subreaper at the moment the helper ends.
 *
 * @returns all but the root, by PID or session id
 * @throws CheckpointError E_IMAGE_UNSUPPORTED no order of births leads to this tree
 */
export function traceLineage(places: Places): Map<number, Birth> {
  return followParents(places) ?? untie(places)
}

/** Everyone born from the parent in the images, which most trees allow; undefined when somebody's session cannot come about so. */
function followParents({ members, gone, sessionOf }: Places): Map<number, Birth> | undefined {
  const births = new Map<number, Birth>()
  if (gone.size > 0) return undefined
  for (const { pid, ppid } of members.values()) {
    const session = sessionOf(pid)
    if (ppid === 0) continue
    if (session !== pid && session !== sessionOf(ppid)) return undefined
    births.set(pid, { from: ppid, early: false })
  }
  return births
}

/** Looks for births of tasks whose sessions cross the tree. */
function untie(places: Places): Map<number, Birth> {
  const moments = orderMoments(places)
  const { root, first } = moments
  const { knot, follow } = shortenLines(root, placeLeaves(places, moments))
  const search: Search = { marks: 0, work: 0, stuck: [] }
  if (root.above.length > 0) throw refuse(places, [...first.values()], search)
  if (!place(root, knot, OUTSIDE, search)) throw refuse(places, search.stuck, search)
  follow()
  const births = new Map<number, Birth>()
  for (const [task, { parent }] of first) if (parent) births.set(task, { from: parent.task, early: parent.state === "before" })
  return births
}

interface Search {
  marks: number
  /** Moments looked at. */
  work: number
  /** The first set that had no place. */
  stuck: readonly Moment[]
}

/**
 * Places `rest` below `top`, whose children are born into `session`. What is not connected can be placed side by side; what is connected
 * has one of its own at its top, which is one that needs none of the others above it.
 */
function place(top: Moment, rest: readonly Moment[], session: number, search: Search): boolean {
  search.work += rest.length
  if (search.work > PATIENCE) return stick(search, rest)
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
 * Names a process that is in another session than its parent without leading it, if possible one that `stuck` is about, and whose parent
 * never led a session, since such a parent has to be above that session's leader.
 */
function refuse({ members, sessionOf }: Places, stuck: readonly Moment[], { work }: Search): Error {
  const tasks = new Set(stuck.map(({ task }) => task))
  const crossing = [...members.values()].flatMap((member) => {
    const [parent, session] = [members.get(member.ppid), sessionOf(member.pid)]
    if (!parent || session === member.pid || session === sessionOf(parent.pid)) return []
    const known = tasks.has(member.pid) || (tasks.has(parent.pid) && tasks.has(session))
    return [{ member, parent, doubt: (known ? 0 : 2) + (parent.sid === parent.pid ? 1 : 0) }]
  })
  const [worst] = crossing.sort((one, other) => one.doubt - other.doubt)
  if (!worst) throw new Error(`Unreachable: no place for tasks ${[...tasks].join(", ")}, but no session crosses the tree`)
  const { member, parent } = worst
  const where = `process ${member.pid} belongs to session ${member.sid} and its parent ${parent.pid} to session ${parent.sid}`
  const why =
    work > PATIENCE ? `order of births was found in ${PATIENCE} steps` : "order of forks, setsid and adoption by a subreaper leads there"
  return refusal(`${where}; no ${why}`)
}
