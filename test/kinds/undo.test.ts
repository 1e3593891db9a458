import { expect, test } from "bun:test"
import { lastUsers, undoLosses } from "../../src/kinds/semaphores/undo.ts"
import { parseSem } from "../../src/proc/sysvipc.ts"

const TEXT = `       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime
         0          4   600          2     0     0     0     0 1795849524 1795849524
        -1      32773   600          1     0     0     0     0          0 1795849524
`

test("lastUsers asks for every semaphore of every set", () => {
  const rows = parseSem(TEXT)
  expect(rows).toEqual([
    { id: 4, count: 2 },
    { id: 32773, count: 1 },
  ])
  const answers = new Map([
    ["4 0", 77],
    ["4 1", 0],
    ["32773 0", -13],
  ])
  expect([...lastUsers(rows, (id, index) => answers.get(`${id} ${index}`) ?? -1)]).toEqual([[77, 4]])
})

test("undoLosses names who has a list and used a semaphore last; nobody is made for others", () => {
  const never = () => {
    throw new Error("made a process")
  }
  expect(undoLosses([5, 6], new Map([[77, 4]]), never)).toEqual([])
  const users = new Map([
    [5, 4],
    [6, 9],
    [77, 4],
  ])
  expect(
    undoLosses(
      [5, 6],
      users,
      () => 3,
      (reference, pid) => (reference === 3 && pid === 6 ? 0 : 2),
    ),
  ).toEqual(["what process 5 may have to undo at its end (SEM_UNDO) of System V semaphores 4, which it used last"])
})
