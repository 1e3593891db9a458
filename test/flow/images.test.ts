import { describe, expect, test } from "bun:test"
import { stasis_restart_entrySchema, stasis_task_entrySchema, stasis_thread_entrySchema } from "../../proto/gen/stasis_pb.ts"
import { create } from "../../proto/schema.ts"
import { VMA } from "../../proto/values.ts"
import type { Range } from "../../src/base/units.ts"
import { readSavedTree, stopSignalOf } from "../../src/flow/images.ts"
import { kernelAreas } from "../../src/flow/kernel-areas.ts"
import { readFills } from "../../src/flow/read-pages.ts"
import { failureOf } from "../harness/failure.ts"
import { type Draft, withSet } from "./draft.ts"

const readAll = (change: (draft: Draft) => void) => withSet(change, (set) => readSavedTree(set, { tcpClose: false }))
const read = (change: (draft: Draft) => void) => readAll(change).root
const refusal = (change: (draft: Draft) => void) => failureOf(() => readAll(change))
const leader = (draft: Draft) => draft.cores.get(1140)!
const nothing = (): void => {}

describe("readSavedTree", () => {
  test("a whole set: leader first, files by id, no extension and no memfds when it has none", () => {
    const saved = read(nothing)
    expect(saved.threads.map(({ tid }) => tid)).toEqual([1140, 1141])
    expect(saved.tree.pid).toBe(1140)
    expect(saved.tc.comm).toBe("t1")
    expect(saved.files.files.get(7)?.reg?.pos).toBe(4n)
    expect(saved.files.fdinfos.map(({ fd }) => fd)).toEqual([3, 4, 5])
    expect([saved.files.pipesData, saved.files.ttyInfos, saved.extension]).toEqual([[], [], undefined])
    expect(readAll(nothing)).toMatchObject({ memfds: [], dead: [] })
  })

  test("a zombie is its name and status, whatever its threads are said to be", () => {
    const { dead, processes } = readAll((draft) => {
      const [root] = draft.tree
      draft.tree = [root!, { ...root!, pid: 1150, ppid: 1140, threads: [4242197232] }]
      draft.cores.set(1150, { mtype: 1, tc: { ...leader(draft).tc!, task_state: 2, exit_code: 0x300, comm: "gone" } })
    })
    expect(processes.length).toBe(1)
    expect(dead.map(({ tree: { pid }, tc: { comm, exit_code } }) => [pid, comm, exit_code])).toEqual([[1150, "gone", 0x300]])
  })

  test("a stopped process tells its signal, and SIGSTOP where the image has none", () => {
    const stopped = (signal: number | undefined) =>
      stopSignalOf(
        read((draft) => {
          Object.assign(leader(draft).tc!, { task_state: 3 }, signal === undefined ? {} : { stop_signo: signal })
        }),
      )
    expect([stopSignalOf(read(nothing)), stopped(undefined), stopped(20)]).toEqual([0, 19, 20])
  })

  test("the extension's threads are found by their IDs, whatever their order", () => {
    const threads = [1141, 1140].map((tid) => create(stasis_thread_entrySchema, { tid, rseq_class: `of ${tid}` }))
    const entry = create(stasis_task_entrySchema, { format_version: 1, producer: "stasis", threads: [threads[0]!], vmas: [] })
    const saved = read((draft) => {
      draft.more = (images) => images.write("stasis-core", 1140, [entry])
    })
    expect(saved.threads.map(({ extension }) => extension?.rseq_class)).toEqual([undefined, "of 1141"])
  })

  test("a time left belongs to a sleep: no other call of an image is run", () => {
    const restarted = (syscall_nr: number, remaining_sec: bigint | undefined) => (draft: Draft) => {
      const restart = create(stasis_restart_entrySchema, {
        syscall_nr,
        args: [],
        ...(remaining_sec === undefined ? {} : { remaining_sec }),
      })
      const thread = create(stasis_thread_entrySchema, { tid: 1141, restart })
      draft.more = (images) =>
        images.write("stasis-core", 1140, [
          create(stasis_task_entrySchema, { format_version: 1, producer: "stasis", threads: [thread], vmas: [] }),
        ])
    }
    for (const sleep of [35, 230]) expect(read(restarted(sleep, 1n)).threads[1]?.extension?.restart?.syscall_nr).toBe(sleep)
    expect(read(restarted(59, undefined)).threads[1]?.extension?.restart?.syscall_nr).toBe(59)
    expect(refusal(restarted(59, 1n))).toMatchObject({ code: "E_IMAGE_CORRUPT", found: expect.stringContaining("system call 59") })
  })

  test("kernelAreas are those of the vdso alone", () => {
    const areas = withSet(
      (draft) => {
        const [first, ...others] = draft.mm!.vmas
        draft.mm = { ...draft.mm!, vmas: [{ ...first!, status: VMA.REGULAR | VMA.VDSO }, ...others] }
      },
      (set) => kernelAreas(readSavedTree(set, { tcpClose: false }).root),
    )
    expect(areas).toMatchObject([{ start: 0x55ecb9efd000n, end: 0x55ecb9efe000n }])
  })
})

describe("readSavedTree refuses", () => {
  const rows: readonly (readonly [string, (draft: Draft) => void, { code: string; found: string }])[] = [
    ["a thread's core that is missing", (draft) => draft.cores.delete(1141), { code: "E_IMAGE_MISSING", found: "core-1141.img" }],
    ["the leader's core that is missing", (draft) => draft.cores.delete(1140), { code: "E_IMAGE_MISSING", found: "core-1140.img" }],
    ["bounds that are missing", (draft) => (draft.mm = undefined), { code: "E_IMAGE_MISSING", found: "mm-1140.img" }],
    ["directories that are missing", (draft) => (draft.fs = undefined), { code: "E_IMAGE_MISSING", found: "fs-1140.img" }],
    [
      "a leader without a task part",
      (draft) => (leader(draft).tc = undefined),
      { code: "E_IMAGE_CORRUPT", found: "core-1140.img has no task part" },
    ],
    [
      "a thread with one",
      (draft) => (draft.cores.get(1141)!.tc = leader(draft).tc),
      { code: "E_IMAGE_CORRUPT", found: "core-1141.img has a task part although it is no leader" },
    ],
    [
      "no registers",
      (draft) => (draft.cores.get(1141)!.thread_info = undefined),
      { code: "E_IMAGE_CORRUPT", found: "core-1141.img has no registers" },
    ],
    [
      "no thread_core",
      (draft) => (leader(draft).thread_core = undefined),
      { code: "E_IMAGE_CORRUPT", found: "core-1140.img has no thread_core" },
    ],
    [
      "another architecture",
      (draft) => (draft.cores.get(1141)!.mtype = 3),
      { code: "E_IMAGE_UNSUPPORTED", found: "core-1141.img is of machine type 3, this is x86-64" },
    ],
    [
      "a dead root",
      (draft) => (leader(draft).tc!.task_state = 2),
      { code: "E_IMAGE_CORRUPT", found: "its root was dead when it was dumped" },
    ],
    ["an unknown state", (draft) => (leader(draft).tc!.task_state = 6), { code: "E_IMAGE_CORRUPT", found: "its state is 6" }],
    [
      "an area without a whole page",
      (draft) => (draft.mm!.vmas[0]!.end += 1n),
      { code: "E_IMAGE_CORRUPT", found: "mm-1140.img: the area 0x55ecb9efd000-0x55ecb9efe001 does not begin and end with a page" },
    ],
    ["areas that overlap", (draft) => (draft.mm!.vmas[1]!.start -= 4096n), { code: "E_IMAGE_CORRUPT", found: "overlaps another one" }],
    [
      "a timer with a time that is none",
      (draft) => (leader(draft).tc!.timers!.virt.vusec = 1_000_000n),
      { code: "E_IMAGE_CORRUPT", found: "core-1140.img: interval timer 1 has a time that is none" },
    ],
    [
      "an alternate stack in two states",
      (draft) => (draft.cores.get(1141)!.thread_core!.sas = { ss_sp: 0n, ss_size: 0n, ss_flags: 3 }),
      { code: "E_IMAGE_CORRUPT", found: "core-1141.img has an alternate stack in two states" },
    ],
    [
      "no timers",
      (draft) => (leader(draft).tc!.timers = undefined),
      { code: "E_IMAGE_VERSION", found: "core-1140.img has no timers: the set is of CRIU before 2.0" },
    ],
    [
      "no limits",
      (draft) => (leader(draft).tc!.rlimits = undefined),
      { code: "E_IMAGE_VERSION", found: "core-1140.img has no limits: the set is of CRIU before 2.0" },
    ],
    [
      "namespaces of its own",
      (draft) => (draft.ids = { ...draft.ids, mnt_ns_id: 77 }),
      { code: "E_IMAGE_UNSUPPORTED", found: "it has namespaces of its own: mnt" },
    ],
    [
      "a child without a core",
      (draft) => (draft.tree = [...draft.tree, { ...draft.tree[0]!, pid: 1150, ppid: 1140, threads: [1150] }]),
      { code: "E_IMAGE_MISSING", found: "core-1150.img" },
    ],
    [
      "two processes of one PID",
      (draft) => (draft.tree = [...draft.tree, { ...draft.tree[0]!, ppid: 1140 }]),
      { code: "E_IMAGE_CORRUPT", found: "1140" },
    ],
    [
      "a seccomp filter that is not there",
      (draft) => Object.assign(leader(draft).thread_core!, { seccomp_mode: 2, seccomp_filter: 0 }),
      { code: "E_IMAGE_CORRUPT", found: "it names filter 0 of 0" },
    ],
    [
      "a lock of a descriptor that is not there",
      (draft) =>
        (draft.more = (images) => images.write("filelocks", undefined, [{ flag: 1, type: 1, pid: 1140, fd: 777, start: 0n, len: 0n }])),
      { code: "E_IMAGE_CORRUPT", found: "Cannot lock fd 777 of process 1140: the images have no such descriptor" },
    ],
  ]
  for (const [name, change, { code, found }] of rows)
    test(name, () => {
      const error = refusal((draft) => void change(draft))
      expect(error).toMatchObject({ code })
      expect(`${error}`).toContain(found)
    })
})

describe("readFills", () => {
  const fills = (pagemap: Draft["pagemap"], skip: readonly Range[] = []) =>
    withSet(
      (draft) => Object.assign(draft, { pagemap }),
      (set) => [...readFills(set, "pagemap", 1140, skip)].map(([path, list]) => [path.slice(path.lastIndexOf("/") + 1), list] as const),
    )

  test("neighbours in memory are neighbours in the file, and become one read", () => {
    expect(
      fills([
        { vaddr: 0x10000n, pages: 2n },
        { vaddr: 0x12000n, pages: 1n, flags: 6 },
        { vaddr: 0x20000n, pages: 3n },
      ]),
    ).toEqual([
      [
        "pages-1.img",
        [
          { start: 0x10000n, length: 0x3000n, offset: 0n },
          { start: 0x20000n, length: 0x3000n, offset: 0x3000n },
        ],
      ],
    ])
  })

  test("what is skipped is cut out, and its place in the file stays", () => {
    const run = [
      { vaddr: 0x10000n, pages: 8n },
      { vaddr: 0x18000n, pages: 1n },
    ]
    expect(
      fills(run, [
        { start: 0x12000n, end: 0x13000n },
        { start: 0x15000n, end: 0x17000n },
      ])[0]![1],
    ).toEqual([
      { start: 0x10000n, length: 0x2000n, offset: 0n },
      { start: 0x13000n, length: 0x2000n, offset: 0x3000n },
      { start: 0x17000n, length: 0x2000n, offset: 0x7000n },
    ])
    expect(fills(run, [{ start: 0n, end: 0x18000n }])[0]![1]).toEqual([{ start: 0x18000n, length: 0x1000n, offset: 0x8000n }])
  })

  test("no pages at all are no file", () => expect(fills([])).toEqual([]))

  test("runs that overlap are E_IMAGE_CORRUPT", () => {
    expect(
      failureOf(() =>
        fills([
          { vaddr: 0x10000n, pages: 2n },
          { vaddr: 0x11000n, pages: 1n },
        ]),
      ),
    ).toMatchObject({ code: "E_IMAGE_CORRUPT" })
  })
})
