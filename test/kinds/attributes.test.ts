import { describe, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { stasis_task_entrySchema, stasis_thread_entrySchema } from "../../proto/gen/stasis_pb.ts"
import { create } from "../../proto/schema.ts"
import { askAttributes, askThreadAttributes, collectAttributes, collectThreadAttributes } from "../../src/kinds/attributes/collect.ts"
import { applyFromOutside } from "../../src/kinds/attributes/from-outside.ts"
import { parseLabel } from "../../src/kinds/attributes/label.ts"
import { restoreMembarrier } from "../../src/kinds/attributes/membarrier.ts"
import { restoreAttributes, restoreThreadAttributes, sealProcess, sealThread } from "../../src/kinds/attributes/restore.ts"
import { surveyAttributes, surveyStopped, surveyStoppedProcess } from "../../src/kinds/attributes/survey.ts"
import { readStat } from "../../src/proc/stat.ts"
import { listThreads, readCommIfAlive } from "../../src/proc/tasks.ts"
import { Program } from "../../src/tracee/program.ts"
import { canRun, inside, perform, startFixture, throughBytes, why } from "./fixture.ts"

const PERSONALITY = 0x0060000 // ADDR_NO_RANDOMIZE | UNAME26

/** Attributes of a fixture: of the process, then of each thread. */
function collectAll(pid: number) {
  const threads = inside(
    pid,
    (program) => ({ process: askAttributes(program), thread: askThreadAttributes(program) }),
    ({ tid, question, answers }) => {
      const process = collectAttributes({ pid, session: readStat(pid).session }, answers, question.process)
      const refusals = [...surveyStopped(pid, tid, answers, question.thread), ...surveyStoppedProcess(pid, answers, question.process)]
      return { process, refusals, thread: collectThreadAttributes(answers, question.thread, PERSONALITY), name: readCommIfAlive(pid, tid)! }
    },
  )
  return { process: threads[0]!.process, threads }
}

test("parseLabel: unconfined is no label", () => {
  expect(["unconfined\n", "unconfined (enforce)", "", "user_u:user_r:unconfined_t:s0\0"].map(parseLabel)).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
  ])
  expect(parseLabel("docker-default (enforce)\n")).toBe("docker-default (enforce)")
})

test("restoreMembarrier registers bit by bit", () => {
  const program = new Program()
  restoreMembarrier((1 << 4) | (1 << 2), program)
  expect(program.describe().map((line) => line.replace(/ \/\/.*/, ""))).toEqual(["#0 membarrier(4, 0, 0)", "#1 membarrier(0x10, 0, 0)"])
})

test("sealThread refuses what is not a signal", () => {
  expect(() => sealThread({ pdeath_sig: 65 }, new Program())).toThrow("signal 65")
})

test("sealProcess: dumpable by root only becomes not dumpable", () => {
  const program = new Program()
  sealProcess({ mm: { dumpable: 2 }, extension: undefined }, program)
  expect(program.describe()[0]).toStartWith("#0 prctl(4, 0, ")
})

test("restoreThreadAttributes cuts names to 15 bytes and leaves the rest as inherited for images of CRIU", () => {
  const program = new Program()
  restoreThreadAttributes("0123456789abcdef", undefined, undefined, program)
  expect(program.describe()).toEqual([`#0 prctl(0xf, ${JSON.stringify("0123456789abcde\0")}, 0, 0, 0)`])
})

test("restoreAttributes asks for each component of the extended state that the process may use by request", () => {
  const program = new Program()
  restoreAttributes(
    {
      entry: { personality: 0 },
      mm: { dumpable: 1, thp_disabled: false },
      extension: { xstate_permission: 1n << 18n, guest_xstate_permission: 1n << 18n },
    },
    program,
  )
  const asked = program.describe().filter((line) => line.includes("arch_prctl"))
  expect(asked).toEqual([expect.stringContaining("arch_prctl(0x1023, 0x12)"), expect.stringContaining("arch_prctl(0x1025, 0x12)")])
})

describe.skipIf(!canRun)(`attributes of a live process${why}`, () => {
  test("collect and restore: all of them, none as by default", async () => {
    using subject = await startFixture("subject", "attributes")
    using copy = await startFixture("subject", "idle")
    const { process, threads } = collectAll(subject.pid)
    const [leader, other] = threads
    expect(process.entry).toMatchObject({ oom_score_adj: 123, child_subreaper: true, membarrier_registration_mask: (1 << 2) | (1 << 4) })
    expect(process.mm).toEqual({ dumpable: 0, thp_disabled: true })
    expect(process.extension).toMatchObject({ personality: PERSONALITY, coredump_filter: 0x7b })
    if (subject.says.get("mdwe") === "0") expect(process.extension.mdwe).toBe(1)
    if (subject.says.get("memory_merge") === "0") expect(process.extension.memory_merge).toBe(true)
    expect(leader!.thread.entry).toEqual({ pdeath_sig: 10 })
    if (subject.says.get("tsc") === "0") expect(leader!.thread.extension.tsc).toBe(2)
    if (subject.says.get("mce") === "0") expect(leader!.thread.extension.mce_kill).toBe(1)
    if (subject.says.get("request_keyring") === "0") expect(leader!.thread.extension.request_keyring).toBe(4)
    expect(other!.thread.entry).toEqual({ pdeath_sig: 12 })
    expect(other!.thread.extension).not.toHaveProperty("request_keyring")
    expect(other!.thread.extension.personality).toBe(0x1000000)
    expect(threads.flatMap(({ refusals }) => refusals)).toEqual([])

    const kept = throughBytes(
      stasis_task_entrySchema,
      create(stasis_task_entrySchema, { format_version: 1, producer: "", ...process.extension }),
    )
    applyFromOutside(copy.pid, { entry: process.entry, extension: kept })
    perform(copy.pid, (program, tid) => {
      const { thread, name } = threads[tid === copy.pid ? 0 : 1]!
      const own = throughBytes(stasis_thread_entrySchema, create(stasis_thread_entrySchema, { tid, ...thread.extension }))
      if (tid === copy.pid) restoreAttributes({ ...process, extension: kept }, program)
      restoreThreadAttributes(name, own, kept.personality, program)
      sealThread(thread.entry, program)
      if (tid === copy.pid) sealProcess({ ...process, extension: kept }, program)
    })
    expect(collectAll(copy.pid)).toEqual({ process, threads })
    expect(readFileSync(`/proc/${copy.pid}/task/${listThreads(copy.pid)[1]}/comm`)).toEqual(Buffer.from("\xff\xfe odd)\n(name\n", "latin1"))
  })

  test("sealProcess must follow the credentials of every thread: another thread's new user ID resets dumpable", async () => {
    using copy = await startFixture("subject", "idle")
    const seal = () =>
      perform(copy.pid, (program, tid) => {
        if (tid === copy.pid) sealProcess({ mm: { dumpable: 1 }, extension: undefined }, program)
      })
    seal()
    const before = collectAll(copy.pid).process.mm.dumpable
    perform(copy.pid, (program, tid) => {
      if (tid !== copy.pid) program.call("setresuid", 1, 1, 1)
    })
    const between = collectAll(copy.pid).process.mm.dumpable
    seal()
    expect([before, between, collectAll(copy.pid).process.mm.dumpable]).toEqual([
      1,
      Number(readFileSync("/proc/sys/fs/suid_dumpable", "utf8")),
      1,
    ])
  })

  test("survey: nothing against an ordinary process or a stopped one; a traced one is refused with a remedy", async () => {
    using subject = await startFixture("subject", "idle")
    expect(surveyAttributes(subject.pid, listThreads(subject.pid))).toEqual([])
    inside(
      subject.pid,
      () => undefined,
      () => expect(surveyAttributes(subject.pid, [subject.pid])[0]).toMatchObject({ what: `traced by task ${process.pid}` }),
    )
    process.kill(subject.pid, "SIGSTOP")
    while (!readFileSync(`/proc/${subject.pid}/stat`, "latin1").includes(") T ")) await Bun.sleep(5)
    expect(surveyAttributes(subject.pid, [subject.pid])).toEqual([])
  })
})
