import { describe, expect, test } from "bun:test"
import { CheckpointError } from "../../src/base/errors.ts"
import { optionsAgain } from "../../src/cli/again.ts"
import { dumpPlanJson, dumpPlanText } from "../../src/cli/plan-dump.ts"
import { restorePlanJson, restorePlanText } from "../../src/cli/plan-restore.ts"
import { canonical } from "../../src/cli/spelling.ts"
import type { DumpPlan } from "../../src/flow/dump/plan-dump.ts"
import type { RestorePlan } from "../../src/flow/restore/plan-restore.ts"

const memory = { areas: 20, mapped: 2 ** 21, stored: 2 ** 17, runs: 6 }
const fine: DumpPlan = {
  pid: 40,
  processes: [
    {
      pid: 40,
      ppid: 0,
      name: "shell\u0007",
      state: "S",
      group: 40,
      session: 40,
      threads: [
        { tid: 40, name: "main" },
        { tid: 41, name: "worker" },
        { tid: 42, name: "worker" },
      ],
      memory,
      descriptors: 3,
    },
    {
      pid: 43,
      ppid: 40,
      name: "gone",
      state: "Z",
      group: 40,
      session: 40,
      threads: [{ tid: 43, name: "gone" }],
      memory: { areas: 0, mapped: 0, stored: 0, runs: 0 },
      descriptors: 0,
    },
  ],
  segments: [{ name: "/dev/zero", size: 8192, stored: 4096 }],
  files: new Map([
    ["REG", 2],
    ["a socket", 1],
  ]),
  refusals: [],
  options: [],
  refusedAnyway: [],
  outside: [],
  notes: [],
  unseen: ["rseq"],
  prediction: { imageBytes: 2 ** 20, frozenMicroseconds: 8700 },
}
const socket = { what: "a socket", where: "task 40 fd 3", remedy: "Let it close" }
const session = { what: "a member of session 7", where: "task 40", remedy: "Add --shell-job" }

describe("dumpPlanText", () => {
  test("a tree, its threads, files, memory and estimate, in lines that are safe on a terminal", () => {
    expect(dumpPlanText(fine).split("\n")).toEqual([
      "pid   name       state     threads  session  group  areas  mapped  stored   descriptors",
      "40    shell\\x07  sleeping  3        40       40     20     2 MiB   128 KiB  3",
      "  43  gone       zombie    1        40       40     0      0 B     0 B      0",
      "Threads of 40: main, worker x 2",
      "Open files: file or directory x 2, a socket",
      "Shared memory: /dev/zero 8 KiB (4 KiB stored)",
      "Not seen without a stop:",
      "  rseq",
      "Estimate: images of 1 MiB, frozen for 8.7 ms (a quiet machine; a busy one takes several times longer)",
      "A dump would succeed: stasis dump 40",
    ])
  })

  test("the command with the options that the plan was made with, and that it takes: without them it would be refused", () => {
    const words = ["--shell-job", "--tcp-close", "--external", "dev[1/5]", "--ghost-limit", "4096", "--external", "it's", "--no-file-locks"]
    const given = canonical(["plan", "99", ...words, "--json", "-v4"])
    const again = "--shell-job --tcp-close --external 'dev[1/5]' --ghost-limit 4096 --external 'it'\\''s' --no-file-locks"
    expect(dumpPlanText(fine, 99, optionsAgain(given, "dump"))).toEndWith(`A dump would succeed: stasis dump 99 ${again}`)
    expect(optionsAgain(canonical(["plan", "-D", "x", "--strict", "--syscalls", "--ghost-limit", "1", "-j"]), "restore")).toEqual([
      "--strict",
      "--shell-job",
    ])
    for (const line of [
      ["dump", "99", ...words],
      ["plan", "99", ...words],
    ])
      expect(() => canonical(line)).not.toThrow()
  })
  test("every refusal with its remedy, and what is left of them with the options that are missing", () => {
    const plan = { ...fine, refusals: [session, socket], refusedAnyway: [socket], options: ["--shell-job"] }
    expect(dumpPlanText(plan).split("\n").slice(9)).toEqual([
      "A dump would be refused for 2 objects:",
      "  task 40: a member of session 7",
      "           next    Add --shell-job",
      "  task 40 fd 3: a socket",
      "           next    Let it close",
      "Needed: --shell-job; with it 1 of them are left",
    ])
    expect(dumpPlanText({ ...plan, refusedAnyway: [] })).toEndWith("with it nothing is refused")
  })

  test("the same for programs", () => {
    const json = JSON.parse(JSON.stringify(dumpPlanJson({ ...fine, refusals: [socket], refusedAnyway: [socket] })))
    expect(json).toMatchObject({
      pid: 40,
      possible: false,
      refusals: [socket],
      files: { REG: 2, "a socket": 1 },
      estimate: { imageBytes: 1048576, frozenMicroseconds: 8700 },
      processes: [
        { pid: 40, memory, threads: [{ tid: 40 }, { tid: 41 }, { tid: 42 }] },
        { pid: 43, state: "Z" },
      ],
    })
    expect(dumpPlanJson(fine)).toMatchObject({ possible: true, refusals: [] })
  })
})

const good: RestorePlan = {
  directory: "/images",
  tree: { pid: 40, processes: 1, zombies: 1, threads: 2, memory: 8192 },
  complaints: [],
  status: 0,
  options: [],
  unchecked: [],
  waits: [],
  warnings: [],
  programs: {
    complaints: [],
    stages: [
      { title: "first", programs: [{ pid: 40, tid: 40, calls: ["#0 getpid()"] }] },
      {
        title: "second",
        programs: [
          { pid: 40, tid: 40, calls: [] },
          { pid: 40, tid: 41, calls: ["#0 gettid()", "#1 close(3)"] },
        ],
      },
    ],
  },
}

describe("restorePlanText", () => {
  test("a set that can be restored", () => {
    expect(restorePlanText(good, false).split("\n")).toEqual([
      "Tree of process 40: 1 process, 2 threads, 1 zombie, 8 KiB of memory",
      "Programs: 3 system calls in 2 rounds (--syscalls shows them)",
      "A restore would succeed: stasis restore /images",
    ])
  })

  test("--syscalls: every program of every round, and what stands in for a process that does not exist", () => {
    const text = restorePlanText(good, true)
    expect(text).toContain("addresses of the vdso and the stack are those of stasis")
    expect(text).toContain(
      "\nRound 1: first\n  process 40\n    #0 getpid()\n\nRound 2: second\n  thread 41 of process 40\n    #0 gettid()\n    #1 close(3)\n\nThen:\n",
    )
    expect(restorePlanJson(good, true)).toMatchObject({ rounds: [{ title: "first" }, { programs: [{ calls: [] }, { tid: 41 }] }] })
    expect(restorePlanJson(good, false)).not.toHaveProperty("rounds")
  })

  test("every complaint as the restore would print it, and what was not looked at", () => {
    const complaint = new CheckpointError("E_FILE_CHANGED", "Cannot restore the open file", "it is gone", "Put it back")
    const other = new CheckpointError("E_PID_TAKEN", "Cannot restore process 40", "it lives", "End it")
    const bad = { ...good, programs: undefined, complaints: [complaint, other], status: 7, unchecked: ["the programs"] }
    expect(restorePlanText(bad, true).split("\n").slice(1)).toEqual([
      "A restore would fail, with 2 reasons:",
      "  Cannot restore the open file: it is gone",
      "           next    Put it back",
      "           code    E_FILE_CHANGED",
      "  Cannot restore process 40: it lives",
      "           next    End it",
      "           code    E_PID_TAKEN",
      "Not looked at because of that: the programs",
    ])
    expect(restorePlanJson(bad, false)).toMatchObject({
      possible: false,
      status: 7,
      complaints: [{ code: "E_FILE_CHANGED" }, { code: "E_PID_TAKEN", next: "End it" }],
    })
  })
})
