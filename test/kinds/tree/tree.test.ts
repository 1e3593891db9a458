import { describe, expect, test } from "bun:test"
import { KCMP } from "../../../ffi/abi/file.ts"
import { SyscallError } from "../../../ffi/syscall.ts"
import { core_entrySchema } from "../../../proto/gen/core_pb.ts"
import { inventory_entrySchema } from "../../../proto/gen/inventory_pb.ts"
import { pstree_entrySchema } from "../../../proto/gen/pstree_pb.ts"
import { clocksId, collectCore, collectDeadCore, collectIds, collectInventory, collectTree } from "../../../src/kinds/tree/collect.ts"
import { groupObjects, surveyObjects, surveyStrangers } from "../../../src/kinds/tree/objects.ts"
import type { Act } from "../../../src/kinds/tree/plan.ts"
import { appendActs, appendDeath, type Births, ownTimeOf, sameNamespaces } from "../../../src/kinds/tree/restore.ts"
import { expectedNamespaces, surveyNamespaces, surveyTree } from "../../../src/kinds/tree/survey.ts"
import { Program } from "../../../src/tracee/program.ts"
import { failureOf } from "../../harness/failure.ts"
import { throughBytes } from "../fixture.ts"

const IDS = { vm_id: 2, files_id: 2, fs_id: 2, sighand_id: 2 }

describe("sameNamespaces", () => {
  const root = collectInventory("", 1).root_ids!
  const ids = collectIds(IDS, false)
  const timed = collectIds(IDS, true)

  test("names each kind that differs from the dumping program's", () => {
    expect(() => sameNamespaces(ids, ids, root)).not.toThrow()
    const error = failureOf(() => sameNamespaces({ ...ids, net_ns_id: 99, user_ns_id: 98 }, ids, root))
    expect(error).toMatchObject({ code: "E_IMAGE_UNSUPPORTED", found: "it has namespaces of its own: net, user" })
  })

  test("the whole tree may be in a time namespace of its own, and nobody in another one", () => {
    expect(() => sameNamespaces(timed, timed, root)).not.toThrow()
    expect([ownTimeOf(timed, root), clocksId(true)]).toEqual([9, 9])
    expect([ownTimeOf(ids, root), clocksId(false)]).toEqual([undefined, 0])
    for (const [one, other] of [
      [timed, ids],
      [ids, timed],
      [{ ...timed, time_ns_id: 10 }, timed],
    ] as const)
      expect(failureOf(() => sameNamespaces(one, other, root))).toMatchObject({ found: "it has namespaces of its own: time" })
  })

  test("what an older program did not write is no difference", () => {
    const { time_ns_id: _, ...older } = root
    expect(() => sameNamespaces({ ...ids, time_ns_id: 77 }, ids, older)).not.toThrow()
    expect(() => sameNamespaces(ids, ids, undefined)).not.toThrow()
  })
})

describe("appendActs", () => {
  const births: Births = {
    outsideGroup: 7,
    takeTerminal: (task, program) => void program.callWith({ about: `the terminal of ${task}` }, "getpid"),
    pidOf: (task) => (task < 0 ? 900 - task : task),
    sharingOf: () => 0x400,
    exitSignalOf: () => 17,
  }
  test("each act is one call, in its own task's name", () => {
    const program = new Program()
    const acts: Act[] = [
      { act: "setsid" },
      { act: "clone", child: -1 },
      { act: "subreaper", on: true },
      { act: "setpgid", pgid: 20 },
      { act: "setpgid", pgid: "outside" },
      { act: "reap", child: -1 },
      { act: "exit" },
    ]
    appendActs(10, acts, births, program)
    expect(program.describe()).toEqual([
      "#0 setsid() // the session",
      "#1 getpid() // the terminal of 10",
      expect.stringMatching(/^#2 clone3\(".*"\.\.\., 0x58\) \/\/ process 901$/),
      "#3 prctl(0x24, 1, 0, 0, 0)",
      "#4 setpgid(0, 0x14) // process group 20",
      "#5 setpgid(0, 7) // process group outside",
      "#6 wait4(0x385, 0, 0x40000000, 0)",
      "#7 exit_group(0)",
    ])
  })

  const death = (status: number): string[] => {
    const program = new Program()
    appendDeath("gone", status, program)
    return program.describe().slice(1)
  }
  test("appendDeath exits with the whole status, or dies by the signal without a core file", () => {
    expect(death(0xc800)).toEqual(["#1 exit_group(0xc8)"])
    expect(death(0x8b)).toEqual([
      "#1 prctl(4, 0, 0, 0, 0)",
      "#2 getpid()",
      "#3 kill(#2, 0xb)",
      expect.stringContaining("rt_sigprocmask(1, "),
    ])
  })
})

describe("survey", () => {
  const namespaces = new Map([
    ["mnt", 1n],
    ["net", 2n],
    ["pid", 3n],
  ])

  test("surveyNamespaces refuses what is in others, or in such as cannot be read, once for each process", () => {
    expect(surveyNamespaces(7, 7, namespaces, new Map(namespaces))).toEqual([])
    const theirs = new Map([
      ["mnt", 1n],
      ["net", 5n],
      ["pid", 3n],
    ])
    expect(surveyNamespaces(7, 7, namespaces, theirs).map(({ what, where }) => [what, where])).toEqual([
      ["in another net namespace (5)", "task 7"],
    ])
    theirs.delete("pid")
    expect(surveyNamespaces(7, 7, namespaces, theirs)).toMatchObject([{ what: "in other namespaces: net (5), pid (unreadable)" }])
  })

  test("a child in namespaces of its own is to be dumped by itself: no namespace is that of all of the tree", () => {
    const theirs = new Map([...namespaces, ["pid", 9n]])
    expect(surveyNamespaces(7, 7, namespaces, theirs)[0]?.remedy).toContain("nsenter")
    expect(surveyNamespaces(8, 7, namespaces, theirs)[0]?.remedy).toStartWith("Dump that process by itself (stasis dump 8), or")
  })

  test("the clocks of a tree are its root's, for everybody and every child", () => {
    const ours = new Map([...namespaces, ["time", 6n], ["time_for_children", 6n]])
    const root = new Map([...namespaces, ["time", 7n], ["time_for_children", 7n]])
    const expected = expectedNamespaces(ours, 7n)
    expect(surveyNamespaces(7, 7, expected, root)).toEqual([])
    expect(surveyNamespaces(8, 7, expected, ours).map(({ what }) => what)).toEqual(["in another time namespace (6)"])
    const children = surveyNamespaces(9, 7, expectedNamespaces(ours, 6n), new Map([...ours, ["time_for_children", 8n]]))
    expect(children.map(({ what }) => what)).toEqual(["in another time_for_children namespace (8)"])
    expect(expectedNamespaces(namespaces, undefined)).toBe(namespaces)
  })

  test("surveyTree refuses the first process of a PID namespace: nothing can be restored as that", () => {
    const [refusal] = surveyTree([{ pid: 1, session: 1, pgrp: 1 }], true, () => true)
    expect(refusal).toMatchObject({ where: "task 1", code: "E_NAMESPACE" })
  })

  test("surveyTree refuses sessions and groups whose leaders live outside, unless it is a shell's job", () => {
    const root = { pid: 7, session: 7, pgrp: 7 }
    const lives = (id: number) => id === 3
    expect(surveyTree([root, { pid: 8, session: 7, pgrp: 8 }], false, lives)).toEqual([])
    const job = { ...root, session: 3, pgrp: 3 }
    expect(surveyTree([job], false, lives)).toMatchObject([{ what: "a member of session 3, whose leader is outside the dump" }])
    expect(surveyTree([job, { pid: 8, session: 3, pgrp: 3 }], true, lives)).toEqual([])
    expect(surveyTree([root, { pid: 8, session: 3, pgrp: 8 }], false, lives)).toMatchObject([{ where: "task 8" }])
    expect(surveyTree([root, { pid: 8, session: 7, pgrp: 3 }], true, lives)).toMatchObject([{ what: expect.stringContaining("group 3") }])
    expect(surveyTree([root, { pid: 8, session: 7, pgrp: 5 }], false, lives)).toEqual([])
  })

  test("surveyObjects refuses what is shared with another one than the parent", () => {
    const ids = (files_id: number) => ({ vm_id: 2, files_id, fs_id: 2, sighand_id: 2 })
    const parents = new Map([
      [8, 7],
      [9, 7],
    ])
    const of = (...files: number[]) =>
      surveyObjects(
        new Map(files.map((id, index) => [7 + index, { ...ids(id), vm_id: index, fs_id: index, sighand_id: index }])),
        (pid) => parents.get(pid) ?? 0,
      )
    expect(of(2, 2, 2)).toEqual([])
    expect(of(2, 3, 3)).toMatchObject([{ what: "sharing its descriptor table with process 8, which is not its parent", where: "task 9" }])
  })

  test("surveyStrangers finds each object that a process outside has too, and passes over those that it may not look at", () => {
    const tables = new Map([7, 8, 9, 10].map((pid) => [pid, pid === 10 ? 2 : pid]))
    const compare = (stranger: number, pid: number, type: number): number => {
      if (stranger === 3) throw new SyscallError("kcmp", "EPERM", [])
      const [a, b] = type === KCMP.FILES ? [tables.get(stranger) ?? (stranger === 5 ? 8 : 99), tables.get(pid) ?? 0] : [stranger, pid]
      return a === b ? 0 : a < b ? 1 : 2
    }
    expect(surveyStrangers(groupObjects([7, 8, 9, 10], compare), [3, 4, 5], new Set(), compare)).toEqual([
      {
        what: "sharing its descriptor table with process 5, which is outside the tree",
        where: "task 8",
        remedy: "Dump a tree that has process 5 too, or start the program without CLONE_FILES",
      },
    ])
    expect(surveyStrangers(groupObjects([7, 9], compare), [3, 4], new Set(), compare)).toEqual([])
  })
})

describe("collect", () => {
  test("the inventory says which format, and that nothing is locked", () => {
    const inventory = collectInventory("00000000-0000-4000-8000-000000000000", 1)
    expect(inventory).toMatchObject({ img_version: 2, fdinfo_per_id: true, ns_per_id: true, root_cg_set: 1, network_lock_method: 2 })
    expect(throughBytes(inventory_entrySchema, inventory)).toEqual(inventory)
  })

  test("the process shares namespaces with the dumping program and nothing else", () => {
    const root = collectInventory("", 1).root_ids!
    const ids = collectIds(IDS, false)
    expect([ids.vm_id, ids.files_id, ids.fs_id, ids.sighand_id].every((id) => id !== root.vm_id)).toBe(true)
    expect(ids.pid_ns_id).toBe(root.pid_ns_id!)
  })

  test("a process of the tree keeps its threads in order", () => {
    const entry = collectTree({ pid: 9, session: 7, pgrp: 5 }, 7, [9, 99])
    expect(throughBytes(pstree_entrySchema, entry)).toEqual({ pid: 9, ppid: 7, pgid: 5, sid: 7, threads: [9, 99] })
  })

  test("a zombie has a task part alone", () => {
    const core = collectDeadCore({ comm: "gone", exit_code: 0x300, flags: 4 })
    expect(throughBytes(core_entrySchema, core)).toMatchObject({ mtype: 1, tc: { task_state: 2, exit_code: 0x300, comm: "gone" } })
    expect(core.thread_core ?? core.thread_info).toBeUndefined()
  })

  test("a core has a task part in the leader alone", () => {
    const parts = [{}, {}] as unknown as Parameters<typeof collectCore>
    expect("tc" in collectCore(parts[0], parts[1])).toBe(false)
    expect(collectCore(parts[0], parts[1], {} as NonNullable<Parameters<typeof collectCore>[2]>)).toMatchObject({ mtype: 1, tc: {} })
  })
})
