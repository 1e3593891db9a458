import { describe, expect, test } from "bun:test"
import { planBirths } from "../../../src/kinds/tree/births.ts"
import type { Member } from "../../../src/kinds/tree/plan.ts"
import { failureOf } from "../../harness/failure.ts"
import { type Row, remake, tree } from "./remake.ts"

/** [name, tree, rounds of births and adoptions, helpers] */
type Shape = readonly [string, Member[], number, readonly number[]]

const shapes: readonly Shape[] = [
  ["one daemon", tree([10, 0, 10, 10]), 1, []],
  ["one job of a shell", tree([10, 0, 10, 5]), 0, []],
  ["one part of a shell's job", tree([10, 0, 8, 5]), 0, []],
  [
    "a shell with job control: a pipeline of three, another in the background",
    tree([10, 0, 10, 10], [20, 10, 20, 10], [21, 10, 20, 10], [22, 10, 20, 10], [30, 10, 30, 10], [31, 10, 30, 10]),
    1,
    [],
  ],
  ["a shell script's child in the group of its shell outside", tree([10, 0, 10, 5], [11, 10, 10, 5], [12, 11, 12, 5]), 2, []],
  ["nested sessions", tree([10, 0, 10, 10], [11, 10, 11, 11], [12, 11, 12, 12], [13, 12, 12, 12], [14, 11, 11, 11]), 3, []],
  ["case C: a child from before its parent's setsid", tree([10, 0, 10, 10], [11, 10, 11, 11], [12, 11, 10, 10], [13, 11, 11, 11]), 2, []],
  ["case C through two leaders", tree([10, 0, 10, 10], [11, 10, 11, 11], [12, 11, 12, 12], [13, 12, 10, 10]), 3, []],
  ["daemon double fork: the leader is gone", tree([10, 0, 10, 10], [12, 10, 11, 11]), 4, [11]],
  ["two daemons at once", tree([10, 0, 10, 10], [12, 10, 11, 11], [22, 10, 21, 21], [23, 22, 21, 21]), 5, [11, 21]],
  ["a subreaper that adopted a child of a living leader", tree([10, 0, 10, 10], [11, 10, 11, 11], [12, 10, 11, 11]), 5, [-2]],
  ["the same below a shell's job", tree([10, 0, 10, 5], [11, 10, 11, 11], [12, 10, 11, 11]), 5, [-2]],
  [
    "a dead session with members under several parents",
    tree([10, 0, 10, 10], [12, 10, 12, 10], [13, 12, 11, 11], [14, 10, 11, 11]),
    8,
    [11, -4],
  ],
  [
    "a dead session whose members have brothers as parents",
    tree([10, 0, 10, 10], [20, 10, 20, 20], [21, 10, 21, 21], [30, 20, 25, 25], [31, 21, 25, 25]),
    8,
    [25, -4],
  ],
  [
    "two sessions of which only the second can be above the other",
    // Process 40 is below 31 and 21: either 30 below 21, or 20 below 31, who is 20's child.
    tree([10, 0, 10, 10], [30, 10, 30, 30], [20, 10, 20, 20], [31, 20, 30, 30], [21, 20, 20, 20], [40, 31, 40, 40], [41, 21, 40, 40]),
    15,
    [-3, -5, -8],
  ],
  ["a zombie that led a session", tree([10, 0, 10, 10], [11, 10, 11, 11, "dead"], [12, 10, 11, 11]), 5, [-2]],
  ["zombies that led groups", tree([10, 0, 10, 10], [11, 10, 11, 10, "dead"], [12, 10, 11, 10], [13, 12, 13, 10, "dead"]), 2, []],
  ["a group whose leader is gone", tree([10, 0, 10, 10], [12, 10, 11, 10], [13, 12, 11, 10]), 2, [11]],
  ["a group whose leader is gone, in a shell's job", tree([10, 0, 8, 5], [12, 10, 11, 5], [13, 10, 8, 5]), 1, [11]],
  ["a leader who left its group", tree([10, 0, 10, 10], [11, 10, 10, 10], [12, 10, 11, 10]), 1, []],
  ["two leaders who went to each other's groups", tree([10, 0, 10, 10], [11, 10, 12, 10], [12, 10, 11, 10]), 1, [-3, -4]],
  ["a leader who went back to the group outside", tree([10, 0, 8, 5], [11, 10, 10, 5]), 1, []],
  ["a first group that all have left and one came back to", tree([10, 0, 10, 10], [12, 10, 11, 11], [13, 10, 12, 11]), 5, [11, -4]],
]

/** [name, tree, shell's job, what is found] */
type Wrong = readonly [string, Member[], boolean, { code: string; found: string }]

const unsupported = (found: string): { code: string; found: string } => ({ code: "E_IMAGE_UNSUPPORTED", found })
const NOWHERE = "no order of forks, setsid and adoption by a subreaper leads there"

const wrong: readonly Wrong[] = [
  [
    "a job without --shell-job",
    tree([10, 0, 10, 5]),
    false,
    { code: "E_USAGE", found: "process 10 belongs to session 5, which is not in the images" },
  ],
  [
    "children from two sessions before its own",
    tree([10, 0, 10, 10], [11, 10, 11, 11], [12, 11, 12, 12], [13, 12, 10, 10], [14, 12, 11, 11]),
    false,
    unsupported(`process 13 belongs to session 10 and its parent 12 to session 12; ${NOWHERE}`),
  ],
  [
    "a member of a session above its parent's",
    tree([10, 0, 10, 10], [11, 10, 11, 11], [12, 11, 11, 11], [13, 12, 10, 10]),
    false,
    unsupported(`process 13 belongs to session 10 and its parent 12 to session 11; ${NOWHERE}`),
  ],
  [
    "a member of the shell's session below another session",
    tree([10, 0, 10, 5], [11, 10, 11, 11], [12, 11, 11, 11], [13, 12, 10, 5]),
    true,
    unsupported(`process 13 belongs to session 5 and its parent 12 to session 11; ${NOWHERE}`),
  ],
  [
    "a session whose leader is in another",
    tree([10, 0, 10, 10], [11, 10, 10, 10], [12, 11, 11, 11]),
    false,
    unsupported("process 12 belongs to session 11, but process 11 is itself in session 10"),
  ],
  [
    "a leader in another's group",
    tree([10, 0, 10, 10], [11, 10, 10, 11]),
    false,
    unsupported("process 11 leads session 11, but is in group 10; leaders never change it"),
  ],
  [
    "a root in a session below it",
    tree([10, 0, 11, 11], [11, 10, 11, 11]),
    true,
    unsupported("process 10 is in session 11, but process 11 descends from it"),
  ],
  [
    "a group whose leader is in another session",
    tree([10, 0, 10, 10], [11, 10, 11, 11], [12, 10, 11, 10]),
    false,
    unsupported("process 12 of session 10 is in group 11, but process 11 is in session 11"),
  ],
  [
    "a group in two sessions",
    tree([10, 0, 10, 10], [11, 10, 20, 10], [12, 10, 12, 12], [13, 12, 20, 12]),
    false,
    unsupported("process 13 of session 12 is in group 20, which also has members in session 10"),
  ],
  [
    "a group of a dead session elsewhere",
    tree([10, 0, 10, 10], [11, 10, 20, 20], [12, 10, 20, 10]),
    false,
    unsupported("process 12 of session 10 is in group 20, which belongs to session 20"),
  ],
  [
    "the shell's group in another session",
    tree([10, 0, 8, 5], [11, 10, 11, 11], [12, 11, 8, 11]),
    true,
    unsupported("process 12 is in group 8 of the shell's session, but in session 11"),
  ],
  [
    "a child of the dead",
    tree([10, 0, 10, 10], [11, 10, 10, 10, "dead"], [12, 11, 10, 10]),
    false,
    unsupported("process 12 is a child of process 11, which is dead"),
  ],
]

describe("planBirths", () => {
  for (const [name, members, rounds, helpers] of shapes)
    test(`makes ${name}`, () => {
      const plan = remake(members)
      expect(plan.rounds.length).toBe(rounds)
      expect(plan.helpers.map(({ task }) => task)).toEqual([...helpers])
    })

  for (const [name, members, shellJob, wanted] of wrong)
    test(`refuses ${name}`, () => expect(failureOf(() => planBirths(members, shellJob))).toMatchObject(wanted))

  /** One in the root's session and group. */
  const first = (pid: number, ppid: number): Row => [pid, ppid, 10, 10]

  test("makes a chain of 1,000, one round each", () => {
    const chain = tree(...Array.from({ length: 1000 }, (_, at) => first(10 + at, at === 0 ? 0 : 9 + at)))
    expect(remake(chain).rounds.length).toBe(999)
  })

  test("makes a chain of 1,000 whose last has to be adopted by its first", () => {
    const chain = Array.from({ length: 999 }, (_, at) => first(10 + at, at === 0 ? 0 : 9 + at))
    const plan = remake(tree(...chain, [2000, 1008, 2000, 2000], [2001, 10, 2000, 2000]))
    expect(plan.rounds.length).toBe(1003)
  })

  test("makes 1,000 children in one round, whatever sessions and groups they lead", () => {
    const children = Array.from({ length: 1000 }, (_, at): Row => {
      const pid = 11 + at
      return at % 3 === 0 ? [pid, 10, pid, pid] : [pid, 10, at % 3 === 1 ? pid : 10, 10]
    })
    const plan = remake(tree(first(10, 0), ...children))
    expect(plan.rounds.length).toBe(2)
    expect(plan.groups.length).toBe(1)
  })

  test("makes 300 daemons whose first parents are gone in as many rounds as one", () => {
    const daemons = Array.from({ length: 300 }, (_, at): Row => [1001 + 2 * at, 10, 1000 + 2 * at, 1000 + 2 * at])
    expect(remake(tree(first(10, 0), ...daemons)).rounds.length).toBe(4)
  })

  /** Levels of two leaders each with a child in the other's session: either can be above the other. Below them: one impossible place. */
  const riddle = (levels: number): Row[] => {
    const level = (at: number): Row[] => {
      const [one, other] = [100 + 10 * at, 101 + 10 * at]
      const top = at === 0 ? 10 : one - 6
      return [
        [one, top, one, one],
        [other, top, other, other],
        [one + 2, one, other, other],
        [one + 3, other, one, one],
        [one + 4, one + 2, one + 4, one + 4],
      ]
    }
    return [first(10, 0), ...Array.from({ length: levels }, (_, at) => level(at)).flat()]
  }

  test("makes 100 levels of leaders whose order is free", () => {
    expect(remake(tree(...riddle(100))).rounds.length).toBe(1001)
  })

  test("gives up when too many orders would have to be tried, and names what cannot be", () => {
    const impossible: Row[] = [
      [2000, 494, 2000, 2000],
      [2001, 2000, 2000, 2000],
      [2002, 2001, 494, 494],
    ]
    const found = "process 2002 belongs to session 494 and its parent 2001 to session 2000; no order of births was found in 5000000 steps"
    expect(failureOf(() => planBirths(tree(...riddle(40), ...impossible), false))).toMatchObject(unsupported(found))
  })
})
