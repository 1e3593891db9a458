import { expect } from "bun:test"
import { planBirths } from "../../../src/kinds/tree/births.ts"
import type { BirthPlan, Member } from "../../../src/kinds/tree/plan.ts"
import { execute, OUTER } from "./kernel-model.ts"
import { dice, observe } from "./random-tree.ts"

/** Session and group of whoever restores. */
const RESTORER = { sid: 9000, pgid: 9001 }

/** A process in a table of tests. */
export type Row = readonly [pid: number, ppid: number, pgid: number, sid: number, dead?: "dead"]

/** Members from rows. */
export const tree = (...rows: Row[]): Member[] =>
  rows.map(([pid, ppid, pgid, sid, dead]) => ({ pid, ppid, pgid, sid, dead: dead !== undefined }))

const byPid = (members: readonly Member[]): Member[] => [...members].sort((one, other) => one.pid - other.pid)

/** Plans a tree, carries the plan out in the kernel's model, and compares everyone's place. The order of turns comes from `seed`. */
export function remake(members: readonly Member[], seed = 1): BirthPlan {
  const root = members.find(({ ppid }) => ppid === 0)!
  const job = root.sid !== root.pid
  const plan = planBirths(members, job)
  const kernel = execute(plan, root, RESTORER, dice(seed))
  const group = job && members.every(({ pid }) => pid !== root.pgid) ? root.pgid : undefined
  const wanted = members.map(({ sid, pgid, ...rest }) => ({
    ...rest,
    sid: job && sid === root.sid ? RESTORER.sid : sid,
    pgid: pgid === group ? RESTORER.pgid : pgid,
  }))
  expect(byPid(observe(kernel, root.pid))).toEqual(byPid(wanted).map(({ pid, ppid, pgid, sid, dead }) => ({ pid, ppid, pgid, sid, dead })))
  const others = [...kernel.processes.keys()].filter((pid) => pid !== OUTER && !members.some((member) => member.pid === pid))
  expect(others).toEqual([])
  expect([...kernel.processes.values()].filter(({ subreaper }) => subreaper)).toEqual([])
  return plan
}
