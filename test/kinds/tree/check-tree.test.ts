import { describe, expect, test } from "bun:test"
import type { pstree_entry } from "../../../proto/gen/pstree_pb.ts"
import { checkTree } from "../../../src/kinds/tree/check-tree.ts"
import { failureOf } from "../../harness/failure.ts"

const entry = (pid: number, ppid: number, more: Partial<pstree_entry> = {}): pstree_entry => ({
  pid,
  ppid,
  pgid: 10,
  sid: 10,
  threads: [pid],
  ...more,
})

const wrong: readonly (readonly [string, pstree_entry[], string])[] = [
  ["no process", [], "pstree.img has no entry"],
  ["two roots", [entry(10, 0), entry(11, 0)], "processes 10 and 11 have no parent, a tree has one root"],
  ["no root", [entry(10, 11), entry(11, 10)], "process 10 descends from itself, through 10, 11"],
  ["a circle beside the tree", [entry(10, 0), entry(11, 12), entry(12, 11)], "process 11 descends from itself, through 11, 12"],
  ["its own parent", [entry(10, 0), entry(11, 11)], "process 11 descends from itself, through 11"],
  ["an unknown parent", [entry(10, 0), entry(11, 9)], "process 11 has the parent 9, which is not in the tree"],
  ["a PID twice", [entry(10, 0), entry(11, 10), entry(11, 10)], "process 11 has the id 11, which it has too"],
  [
    "a thread that is a process",
    [entry(10, 0, { threads: [10, 11] }), entry(11, 10)],
    "process 11 has the id 11, which process 10 has too",
  ],
  ["a thread twice", [entry(10, 0, { threads: [10, 12, 12] })], "process 10 has the id 12, which it has too"],
  ["another first thread", [entry(10, 0), entry(11, 10, { threads: [12, 11] })], "the threads of process 11 are 12, 11"],
  ["no thread", [entry(10, 0, { threads: [] })], "the threads of process 10 are missing"],
  ["PID 0", [entry(0, 0)], "process 0 has the id 0, ids are from 1 to 4194303"],
  ["a group 0 that is not its root's", [entry(10, 0), entry(11, 10, { pgid: 0 })], "process 11 has the id 0, ids are from 1 to 4194303"],
  ["a session 0 that is not its root's", [entry(10, 0), entry(11, 10, { sid: 0 })], "process 11 has the id 0, ids are from 1 to 4194303"],
  ["a session too high", [entry(10, 0, { sid: 4_194_304 })], "process 10 has the id 4194304, ids are from 1 to 4194303"],
  ["a thread too high", [entry(10, 0, { threads: [10, 4_242_197_232] })], "process 10 has the id 4242197232, ids are from 1 to 4194303"],
  ["a parent too high", [entry(10, 0), entry(11, 5_000_000)], "process 11 has the parent 5000000, ids are from 1 to 4194303"],
  [
    "a group that is a thread",
    [entry(10, 0, { threads: [10, 12] }), entry(11, 10, { pgid: 12 })],
    "process 11 is in group 12, which is a thread of process 10",
  ],
  [
    "a session that is a thread",
    [entry(10, 0, { sid: 12, threads: [10, 12] })],
    "process 10 is in session 12, which is a thread of process 10",
  ],
]

describe("checkTree", () => {
  for (const [name, entries, found] of wrong)
    test(`refuses ${name}`, () => expect(failureOf(() => checkTree(entries, new Set()))).toMatchObject({ code: "E_IMAGE_CORRUPT", found }))

  test("takes children before their parents, the highest id, and ids of sessions and groups that are nobody's", () => {
    const entries = [entry(12, 11, { pgid: 77, sid: 78 }), entry(4_194_303, 10), entry(11, 10, { threads: [11, 13, 14] }), entry(10, 0)]
    expect(() => checkTree(entries, new Set())).not.toThrow()
  })

  test("takes session and group 0, whose leaders are outside the PID namespace, from its root on", () => {
    const entries = [entry(10, 0, { pgid: 0, sid: 0 }), entry(11, 10, { pgid: 0, sid: 0 }), entry(12, 11, { pgid: 12, sid: 0 })]
    expect(() => checkTree(entries, new Set())).not.toThrow()
  })

  test("does not look at the thread of a zombie, which is garbage", () => {
    const entries = [
      entry(10, 0),
      entry(11, 10, { threads: [4_242_197_232] }),
      entry(12, 10, { threads: [10] }),
      entry(13, 10, { threads: [] }),
    ]
    expect(() => checkTree(entries, new Set([11, 12, 13]))).not.toThrow()
    expect(failureOf(() => checkTree(entries, new Set([12, 13])))).toMatchObject({ code: "E_IMAGE_CORRUPT" })
  })
})
