import { describe, expect, test } from "bun:test"
import type { SavedTree } from "../../../src/flow/images.ts"
import { STRICT, USUAL } from "../../../src/flow/options.ts"
import { takenIds } from "../../../src/flow/restore/ids.ts"
import { planRestore } from "../../../src/flow/restore/plan-restore.ts"
import { type Draft, NO_PERMISSIONS, withSet } from "../draft.ts"

const options = {
  ...USUAL,
  ...STRICT,
  ...NO_PERMISSIONS,
  cpuCap: undefined,
  pid: undefined,
  shellJob: false,
  strict: false,
  syscalls: false,
  json: false,
}
const planOf = (change: (draft: Draft) => void, more: Partial<typeof options> = {}) =>
  withSet(change, ({ directory }) => planRestore({ ...options, ...more, imagesDir: directory }))

describe("planRestore", () => {
  // The example's files exist nowhere, its FPU is empty, and its limits are those of no machine.
  test("goes on after the first complaint: files, registers and limits are all named, once each", () => {
    const { complaints, status, tree } = planOf(() => {})
    expect(tree).toMatchObject({ pid: 1140, processes: 1, threads: 2, memory: 4096 })
    const messages = complaints.map(({ message }) => message)
    expect(new Set(messages).size).toBe(messages.length)
    for (const name of ["/demo/t1", "/lib/libc.so.6", "/demo"])
      expect(messages).toContain(`Cannot restore the open file "${name}": it does not exist`)
    for (const tid of [1140, 1141])
      expect(messages).toContain(`Cannot restore the FPU of thread ${tid}: st_space has 0 words instead of 32`)
    expect(messages.find((message) => message.includes("fs.nr_open"))).toContain('"Max open files" of unlimited')
    expect(status).toBe(7)
  })

  test("a root in a session outside: --shell-job is named, and nothing else is held back by it", () => {
    const outside = (draft: Draft) => {
      draft.tree = draft.tree.map((entry) => ({ ...entry, sid: 77, pgid: 77 }))
    }
    const { complaints, status, options: needed } = planOf(outside)
    expect(complaints[0]).toMatchObject({ code: "E_USAGE", found: expect.stringContaining("session 77") })
    expect({ status, needed }).toEqual({ status: 2, needed: ["--shell-job"] })
    expect(complaints.map(({ code }) => code)).toContain("E_FILE_CHANGED")
    const given = planOf(outside, { shellJob: true })
    expect(given.options).toEqual([])
    expect(given.complaints.map(({ code }) => code)).not.toContain("E_USAGE")
  })

  test("every image that is missing is named, not only the first", () => {
    const { complaints, unchecked, programs } = planOf((draft) => {
      draft.mm = undefined
      draft.fs = undefined
      draft.cores.delete(1141)
    })
    const told = complaints.map(({ code, action }) => `${code} ${action}`)
    for (const name of ["mm-1140.img", "fs-1140.img", "core-1141.img"])
      expect(told.filter((line) => line.startsWith("E_IMAGE_MISSING") && line.includes(name))).toHaveLength(1)
    expect(unchecked).toContain("the programs of the restore")
    expect(programs).toBeUndefined()
  })

  test("no set at all", () => {
    const { complaints, status, tree } = planRestore({ ...options, imagesDir: "/nonexistent" })
    expect(complaints).toMatchObject([{ code: "E_IMAGE_MISSING" }])
    expect({ status, tree }).toEqual({ status: 5, tree: undefined })
  })
})

test("takenIds names the owner of a process's PID and of the id of a session whose leader is gone", () => {
  const root = { tree: { pid: 5 }, files: { departed: new Map() } }
  const none = { root, processes: [], dead: [] } as unknown as SavedTree
  const one = { root, processes: [], dead: [process.ppid, process.pid].map((pid) => ({ tree: { pid } })) } as unknown as SavedTree
  expect(takenIds(none, [{ task: -1, parent: 5 }])).toEqual([])
  expect(takenIds(one, []).map(({ found }) => found)).toEqual([
    expect.stringMatching(new RegExp(`^PID ${process.ppid} belongs to process ${process.ppid} "`)),
    `PID ${process.pid} is one that stasis itself has now`,
  ])
  expect(takenIds(none, [{ task: process.ppid, parent: 5 }]).map(({ found }) => found)).toEqual([
    expect.stringContaining(`the id of a session or group ${process.ppid} belongs to process`),
  ])
  const departed = { ...none, root: { ...root, files: { departed: new Map([[7, process.ppid]]) } } } as unknown as SavedTree
  expect(takenIds(departed, []).map(({ found }) => found)).toEqual([
    expect.stringContaining(`the PID of an ended process ${process.ppid} belongs to process`),
  ])
})
