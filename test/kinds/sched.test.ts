import { describe, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { stasis_thread_entrySchema } from "../../proto/gen/stasis_pb.ts"
import { create } from "../../proto/schema.ts"
import { clampsOf, collectSched, type SchedEntry, type SchedExtension } from "../../src/kinds/sched/collect.ts"
import { MASK_SIZE, readOnlineCpus } from "../../src/kinds/sched/cpus.ts"
import { restoreSched } from "../../src/kinds/sched/restore.ts"
import { notesOnSharedIo } from "../../src/kinds/sched/shared-io.ts"
import { overlaps, parseBitList } from "../../src/proc/bitlist.ts"
import { listThreads } from "../../src/proc/tasks.ts"
import { Program } from "../../src/tracee/program.ts"
import { canRun, perform, startFixture, throughBytes, why } from "./fixture.ts"

/** What the kernel tells root of it. */
const slackOf = (tid: number): bigint => BigInt(readFileSync(`/proc/${tid}/timerslack_ns`, "utf8").trim())
const RESET_ON_FORK = 0x40000000
const online = new Uint8Array(MASK_SIZE).fill(0xff)
const calls = (entry: SchedEntry, extension?: SchedExtension, cpus: Uint8Array = online): string[] => {
  const program = new Program()
  restoreSched(entry, extension, cpus, program)
  return program.describe().map((line) => line.replace(/^#\d+ (\w+).*/, "$1"))
}

test("parseBitList reads ranges and single CPUs", () => {
  expect(parseBitList("0-2,9\n", MASK_SIZE).subarray(0, 3)).toEqual(Uint8Array.of(7, 2, 0))
  expect(overlaps(parseBitList("0-2", MASK_SIZE), parseBitList("2-5", MASK_SIZE))).toBe(true)
  expect(overlaps(Uint8Array.of(4), parseBitList("0", MASK_SIZE))).toBe(false)
})

test("notesOnSharedIo tells of two threads with one I/O context, if they have a priority of their own", () => {
  const context = new Map([
    [1, 7],
    [2, 8],
    [3, 7],
    [4, 9],
    [5, 9],
  ])
  const compare = (a: number, b: number) => {
    const [one, other] = [context.get(a) ?? 0, context.get(b) ?? 0]
    return one === other ? 0 : one < other ? 1 : 2
  }
  const told = notesOnSharedIo([1, 2, 3, 4, 5], (tid) => (tid < 4 ? 0x4003 : undefined), compare)
  expect(told).toEqual(["threads 1 and 3 share one I/O context (CLONE_IO): restored threads have one each, with the same priority"])
})

describe("restoreSched", () => {
  test("an image without scheduling means SCHED_OTHER, nice 0", () => expect(calls({})).toEqual(["sched_setattr"]))

  test("affinity comes before the policy; a mask of CPUs that do not exist here is left out", () => {
    const extension = { cpu_affinity: Uint8Array.of(4) }
    expect(calls({ sched_policy: 1, sched_prio: 3 }, extension)).toEqual([
      "sched_setaffinity",
      "setpriority",
      "sched_setattr",
      "ioprio_set",
    ])
    expect(calls({}, extension, parseBitList("0", MASK_SIZE))).toEqual(["sched_setattr", "ioprio_set"])
  })

  test("a kernel without I/O priorities can restore who has none, and nobody else", () => {
    const last = (extension: SchedExtension): string | undefined => {
      const program = new Program()
      restoreSched({}, extension, online, program)
      return program.describe().at(-1)
    }
    expect(last({})).toContain(" = 0 or ENOSYS ")
    expect(last({ ioprio: (2 << 13) | 3 })).not.toContain("ENOSYS")
  })

  test("refuses values out of range, and SCHED_DEADLINE without its times", () => {
    for (const entry of [
      { sched_nice: 20 },
      { sched_nice: -21 },
      { sched_prio: 1 },
      { sched_policy: 1 },
      { sched_policy: 2, sched_prio: 100 },
    ])
      expect(() => calls(entry)).toThrow("cannot be")
    expect(() => calls({ sched_policy: 6 })).toThrow("policy 6")
    expect(calls({ sched_policy: 6 }, { sched_runtime: 1n, sched_deadline: 2n, sched_period: 2n })).toContain("sched_setattr")
  })
})

test("clamps of utilization are kept where they differ from those of a new thread", () => {
  const clamps = (sched_util_min: number, sched_util_max: number, realTime: boolean) =>
    clampsOf({ sched_util_min, sched_util_max }, realTime)
  expect([clamps(0, 1024, false), clamps(1024, 1024, true)]).toEqual([{}, {}])
  expect(clamps(300, 1024, false)).toEqual({ uclamp_min: 300, uclamp_max: 1024 })
  expect(clamps(0, 512, false)).toEqual({ uclamp_min: 0, uclamp_max: 512 })
  expect(clamps(300, 1024, true)).toEqual({ uclamp_min: 300, uclamp_max: 1024 })
  const attributes = (extension: SchedExtension): { flags: bigint; clamps: number[] } => {
    const program = new Program()
    const given: Uint8Array[] = []
    const data = program.bytes.bind(program)
    program.bytes = (bytes) => {
      given.push(bytes)
      return data(bytes)
    }
    restoreSched({}, extension, online, program)
    const view = new DataView(given[0]!.buffer, given[0]!.byteOffset)
    return { flags: view.getBigUint64(8, true), clamps: [view.getUint32(48, true), view.getUint32(52, true)] }
  }
  expect(attributes({ uclamp_min: 300, uclamp_max: 700 })).toEqual({ flags: 0x60n, clamps: [300, 700] })
  expect(attributes({}).flags).toBe(0n)
})

describe.skipIf(!canRun)(`scheduling of a live process${why}`, () => {
  test("collect and restore: real-time, deadline, batch and a slice of its own", async () => {
    using subject = await startFixture("subject", "sched")
    const tids = listThreads(subject.pid)
    const dumped = tids.map((tid) => collectSched(tid, slackOf(tid)))
    const [leader, deadline, batch, sliced] = dumped
    expect(leader!.entry).toEqual({ sched_policy: 2 | RESET_ON_FORK, sched_nice: -3, sched_prio: 7 })
    expect(leader!.extension.cpu_affinity![0]).toBe(1)
    // Where the kernel grants no bandwidth the thread stays an ordinary one.
    if (subject.says.get("deadline") === "0") {
      expect(deadline!.entry.sched_policy).toBe(6 | RESET_ON_FORK)
      expect(deadline!.extension).toMatchObject({
        sched_runtime: 2000000n,
        sched_deadline: 20000000n,
        sched_period: 30000000n,
        sched_flags: 4n,
      })
    }
    expect(batch!.entry).toEqual({ sched_policy: 3, sched_nice: 5 })
    expect(batch!.extension).toMatchObject({ ioprio: (2 << 13) | 3, timerslack_ns: 12345n })
    expect(sliced!.entry).toEqual({ sched_policy: 0, sched_nice: -7 })

    for (const [index, { entry, extension }] of dumped.entries()) {
      const kept = throughBytes(stasis_thread_entrySchema, create(stasis_thread_entrySchema, { tid: 1, ...extension }))
      using copy = await startFixture("subject", "idle")
      perform(copy.pid, (program, tid) => {
        if (tid === copy.pid) restoreSched(entry, kept, readOnlineCpus(), program)
      })
      expect(collectSched(copy.pid, slackOf(copy.pid)), `thread ${index}`).toEqual({ entry, extension })
      if (index === 2) expect(slackOf(copy.pid)).toBe(12345n)
    }
  })
})
