import { expect, test } from "bun:test"
import { takeTurns } from "../../../src/flow/restore/stages.ts"

const turnsOf = (...processes: { pid: number; table: number; makes?: true }[]): number[][] =>
  takeTurns(
    processes,
    ({ table }) => table,
    ({ makes }) => makes ?? false,
  ).map((turn) => turn.map(({ pid }) => pid))

test("processes with tables of their own are made at the same time", () =>
  expect(turnsOf({ pid: 1, table: 1, makes: true }, { pid: 2, table: 2, makes: true })).toEqual([[1, 2]]))

test("of those that share a table one is made at a time, and its maker last", () =>
  expect(turnsOf({ pid: 1, table: 1, makes: true }, { pid: 2, table: 1 }, { pid: 3, table: 3, makes: true }, { pid: 4, table: 1 })).toEqual(
    [[2, 3], [4], [1]],
  ))
