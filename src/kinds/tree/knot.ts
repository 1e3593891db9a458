import type { Moment, Moments } from "./moments.ts"
import { OUTSIDE, type Places } from "./places.ts"

/**
 * Places every task with an obvious place and nothing unplaced below it, leaves first. Returns the moments of all others but the root's
 * first: what hangs together by sessions that cross the tree. For most trees that is nothing.
 */
export function placeLeaves(places: Places, { root, first, last }: Moments): Moment[] {
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

/** A knot with its straight lines taken out. */
interface Shortened {
  readonly knot: Moment[]
  /** Puts them back, once the rest is placed: whoever was placed below the upper end of a line goes below its lower end. */
  readonly follow: () => void
}

/**
 * Takes out each moment that only hangs on one of its own session which nothing else hangs on: it can be the next below that in any case.
 * Long lines of parents and children above a knot would make the search slow and deep.
 */
export function shortenLines(root: Moment, knot: readonly Moment[]): Shortened {
  const rest = new Set([root, ...knot])
  const ends = new Map<Moment, Moment>()
  for (const upper of rest) {
    let below = upper.below.filter((one) => rest.has(one))
    for (let [next] = below; next && below.length === 1 && hangsOn(next, ends.get(upper) ?? upper); [next] = below) {
      next.parent = ends.get(upper) ?? upper
      ends.set(upper, next)
      rest.delete(next)
      below = next.below.filter((one) => rest.has(one))
    }
    const end = ends.get(upper)
    if (end === undefined) continue
    upper.below.splice(0, upper.below.length, ...below)
    for (const { above } of below) above.splice(above.indexOf(end), 1, upper)
  }
  rest.delete(root)
  const short = [...rest]
  const follow = (): void => {
    for (const moment of short) moment.parent = ends.get(moment.parent ?? root) ?? moment.parent
  }
  return { knot: short, follow }
}

const hangsOn = (next: Moment, upper: Moment): boolean =>
  next.state === "plain" && upper.state !== "before" && next.session === upper.session && next.above.length === 1
