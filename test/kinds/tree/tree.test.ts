import { describe, expect, test } from "bun:test"
import { inventory_entrySchema } from "../../../proto/gen/inventory_pb.ts"
import { type pstree_entry, pstree_entrySchema } from "../../../proto/gen/pstree_pb.ts"
import { collectCore, collectIds, collectInventory, collectTree, surveyNamespaces, surveyTree } from "../../../src/kinds/tree/collect.ts"
import { oneProcess, restoreSession, sameNamespaces } from "../../../src/kinds/tree/restore.ts"
import { parseStat } from "../../../src/proc/stat.ts"
import { Program } from "../../../src/tracee/program.ts"
import { failureOf } from "../../image/sample.ts"
import { throughBytes } from "../fixture.ts"

const process_ = (more: Partial<pstree_entry> = {}): pstree_entry => ({ pid: 10, ppid: 0, pgid: 10, sid: 10, threads: [10, 11], ...more })

describe("oneProcess", () => {
  const refused: readonly (readonly [string, pstree_entry[], { code: string; found: string }])[] = [
    ["an empty tree", [], { code: "E_IMAGE_CORRUPT", found: "pstree.img has no entry" }],
    ["two processes", [process_(), process_({ pid: 20, ppid: 10 })], { code: "E_IMAGE_UNSUPPORTED", found: "it has 2 processes" }],
    ["a root with a parent", [process_({ ppid: 1 })], { code: "E_IMAGE_CORRUPT", found: "its root 10 has parent 1" }],
    ["no threads", [process_({ threads: [] })], { code: "E_IMAGE_CORRUPT", found: "the threads of process 10 are " }],
    ["another leader", [process_({ threads: [11, 10] })], { code: "E_IMAGE_CORRUPT", found: "the threads of process 10 are 11, 10" }],
    [
      "a thread twice",
      [process_({ threads: [10, 11, 11] })],
      { code: "E_IMAGE_CORRUPT", found: "the threads of process 10 are 10, 11, 11" },
    ],
    [
      "a session outside",
      [process_({ sid: 3 })],
      { code: "E_USAGE", found: "process 10 belongs to session 3, which is not in the images" },
    ],
  ]
  for (const [name, tree, wanted] of refused)
    test(`refuses ${name}`, () => expect(failureOf(() => oneProcess(tree, false))).toMatchObject(wanted))

  test("takes one process, and a shell's job where that is said", () => {
    expect(oneProcess([process_()], false)).toEqual(process_())
    expect(oneProcess([process_({ sid: 3, pgid: 5 })], true).sid).toBe(3)
  })
})

describe("sameNamespaces", () => {
  test("names each kind that differs from the dumping program's", () => {
    const root = collectInventory("").root_ids!
    expect(() => sameNamespaces(collectIds(), root)).not.toThrow()
    const error = failureOf(() => sameNamespaces({ ...collectIds(), net_ns_id: 99, user_ns_id: 98 }, root))
    expect(error).toMatchObject({ code: "E_IMAGE_UNSUPPORTED", found: "it has namespaces of its own: net, user" })
  })

  test("what an older program did not write is no difference", () => {
    const { time_ns_id: _, ...older } = collectInventory("").root_ids!
    expect(() => sameNamespaces({ ...collectIds(), time_ns_id: 77 }, older)).not.toThrow()
    expect(() => sameNamespaces(collectIds(), undefined)).not.toThrow()
  })
})

describe("restoreSession", () => {
  const plan = (entry: pstree_entry): string[] => {
    const program = new Program()
    restoreSession(entry, program)
    return program.describe()
  }
  test("a leader of a session makes it; a leader of a group alone makes that; others stay where they are born", () => {
    expect(plan(process_())).toEqual(["#0 setsid() // the session"])
    expect(plan(process_({ sid: 3 }))).toEqual(["#0 setpgid(0, 0) // the process group"])
    expect(plan(process_({ sid: 3, pgid: 5 }))).toEqual([])
  })
})

describe("survey", () => {
  const namespaces = new Map([
    ["mnt", 1n],
    ["net", 2n],
    ["pid", 3n],
  ])

  test("surveyNamespaces refuses each that is another, or that cannot be read", () => {
    expect(surveyNamespaces(7, namespaces, new Map(namespaces))).toEqual([])
    const theirs = new Map([
      ["mnt", 1n],
      ["net", 5n],
    ])
    expect(surveyNamespaces(7, namespaces, theirs).map(({ what, where }) => [what, where])).toEqual([
      ["in another net namespace (5)", "task 7"],
      ["in another pid namespace (unreadable)", "task 7"],
    ])
  })

  test("surveyTree refuses children, and a session outside unless it is a shell's job", async () => {
    const stat = { ...parseStat(await Bun.file("/proc/self/stat").text()), pid: 7, session: 7 }
    expect(surveyTree(stat, [], false)).toEqual([])
    expect(surveyTree(stat, [8, 9, 10, 11, 12, 13], false)).toMatchObject([
      { what: "the parent of 6 processes (8, 9, 10, 11, 12)", where: "task 7" },
    ])
    expect(surveyTree({ ...stat, session: 3 }, [], false)).toMatchObject([
      { what: "a member of session 3, whose leader is outside the dump" },
    ])
    expect(surveyTree({ ...stat, session: 3 }, [], true)).toEqual([])
    expect(surveyTree({ ...stat, session: 3 }, [8], false).length).toBe(2)
  })
})

describe("collect", () => {
  test("the inventory says which format, and that nothing is locked", () => {
    const inventory = collectInventory("00000000-0000-4000-8000-000000000000")
    expect(inventory).toMatchObject({ img_version: 2, fdinfo_per_id: true, ns_per_id: true, root_cg_set: 1, network_lock_method: 2 })
    expect(throughBytes(inventory_entrySchema, inventory)).toEqual(inventory)
  })

  test("the process shares namespaces with the dumping program and nothing else", () => {
    const root = collectInventory("").root_ids!
    const ids = collectIds()
    expect([ids.vm_id, ids.files_id, ids.fs_id, ids.sighand_id].every((id) => id !== root.vm_id)).toBe(true)
    expect(ids.pid_ns_id).toBe(root.pid_ns_id!)
  })

  test("the tree is one process without a parent, its threads in order, and oneProcess takes it back", async () => {
    const stat = parseStat(await Bun.file("/proc/self/stat").text())
    const [entry, ...others] = collectTree({ ...stat, session: stat.pid, pgrp: 5 }, [stat.pid, 99])
    expect(others).toEqual([])
    expect(throughBytes(pstree_entrySchema, entry!)).toEqual({ pid: stat.pid, ppid: 0, pgid: 5, sid: stat.pid, threads: [stat.pid, 99] })
    expect(oneProcess([entry!], false)).toBe(entry!)
  })

  test("a core has a task part in the leader alone", () => {
    const parts = [{}, {}] as unknown as Parameters<typeof collectCore>
    expect("tc" in collectCore(parts[0], parts[1])).toBe(false)
    expect(collectCore(parts[0], parts[1], {} as NonNullable<Parameters<typeof collectCore>[2]>)).toMatchObject({ mtype: 1, tc: {} })
  })
})
