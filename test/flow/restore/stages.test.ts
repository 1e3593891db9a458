import { expect, test } from "bun:test"
import { takeTurns } from "../../../src/flow/restore/stages.ts"

/** Turns of processes by PID; each may share with one of the others. */
function turnsOf(sharing: Readonly<Record<number, number | undefined>>): number[][] {
  const pids = Object.keys(sharing).map(Number)
  return takeTurns(pids, (pid) => sharing[pid])
}

test("processes that share nothing are made at the same time", () => expect(turnsOf({ 1: undefined, 2: undefined })).toEqual([[1, 2]]))

test("of those that share one is made at a time, and its maker last", () =>
  expect(turnsOf({ 1: undefined, 2: 1, 3: undefined, 4: 1 })).toEqual([[2, 3], [4], [1]]))

test("who shares one thing with its parent and makes another for its child comes between them", () =>
  expect(turnsOf({ 1: undefined, 2: 1, 5: undefined, 3: 2, 4: 1 })).toEqual([[3, 5], [2], [4], [1]]))
