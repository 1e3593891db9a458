import { describe, expect, test } from "bun:test"
import { existsSync, readFileSync } from "node:fs"
import { rseqJson, rseqText } from "../../src/cli/rseq-text.ts"
import { dump } from "../../src/flow/dump/dump.ts"
import type { DumpOptions, RseqOptions } from "../../src/flow/options.ts"
import type { RseqRow } from "../../src/flow/rseq/row.ts"
import { inspectRseq } from "../../src/flow/rseq/rseq.ts"
import { countSamples } from "../../src/flow/rseq/sample.ts"
import { USUAL_DUMP } from "../flow/usual.ts"
import { waitFor } from "../harness/deadline.ts"
import { scratch } from "../harness/folders.ts"
import { canCompile, type Fixture, startFixture } from "../rseq/fixture.ts"

const options = (rest: Partial<RseqOptions>): RseqOptions => ({
  pid: undefined,
  imagesDir: undefined,
  samples: undefined,
  rseqDiscovery: "auto",
  json: false,
  ...rest,
})
const dumpOptions = (pid: number, imagesDir: string): DumpOptions => ({
  ...USUAL_DUMP,
  pid,
  imagesDir,
  workDir: imagesDir,
  leaveRunning: true,
  sync: false,
})
const place = (address: bigint, module: string | null = null, symbol: string | null = null) => ({ address, module, symbol })
const row: RseqRow = {
  pid: 7,
  tid: 8,
  name: "worker\n",
  found: "ptrace",
  address: 0x7000n,
  size: 32,
  signature: 0x53053053,
  cpuId: 1,
  nodeId: 0,
  mmCid: null,
  rseqCs: 0x5000n,
  class: "abortable",
  ip: place(0x1010n, "app+0x1010", "work+0x10"),
  section: { start: place(0x1000n, "app+0x1000", "work"), end: place(0x1040n, "app+0x1040"), abort: place(0x2000n), flags: 1 },
  reason: null,
  warning: "a warning",
}
const idle: RseqRow = { ...row, tid: 7, name: "main", class: "idle", rseqCs: 0n, section: null, warning: null }

describe("rseqText", () => {
  test("has a row a thread, and below what must be known of it", () => {
    const [head = "", first = "", note] = rseqText({ rows: [row], counts: undefined }).split("\n")
    expect(head.split(/ {2,}/)).toEqual([
      "tid",
      "name",
      "registered",
      "address",
      "size",
      "signature",
      "cpu",
      "node",
      "mm_cid",
      "rseq_cs",
      "class",
      "at",
      "section",
    ])
    expect(first.split(/ {2,}/)).toEqual([
      "8",
      "worker\\x0a",
      "ptrace",
      "0x7000",
      "32",
      "0x53053053",
      "1",
      "0",
      "-",
      "0x5000",
      "abortable",
      "app+0x1010 (work+0x10)",
      "app+0x1000 (work) to app+0x1040, abort 0x2000, flags 0x1",
    ])
    expect(note).toBe("thread 8: a warning")
  })

  test("an unregistered thread has dashes", () => {
    const bare = {
      ...idle,
      found: null,
      address: null,
      size: null,
      signature: null,
      cpuId: null,
      nodeId: null,
      rseqCs: null,
      class: "unregistered",
      ip: null,
    }
    expect(
      rseqText({ rows: [bare], counts: undefined })
        .split("\n")[1]
        ?.split(/ +/),
    ).toEqual(["7", "main", "no", "-", "-", "-", "-", "-", "-", "-", "unregistered", "-", "-"])
  })
})

test("rseqJson has addresses as hexadecimal strings and null for what is not there", () => {
  expect(JSON.parse(JSON.stringify(rseqJson({ rows: [row], counts: undefined })))).toMatchObject({
    threads: [
      {
        tid: 8,
        address: "0x7000",
        signature: "0x53053053",
        mm_cid: null,
        rseq_cs: "0x5000",
        section: { start: { symbol: "work" }, flags: 1 },
      },
    ],
  })
})

test("countSamples counts by thread, class and section", () => {
  const counts = countSamples([[idle, row], [idle, { ...row, class: "idle", section: null }], [row], [{ ...row, class: "outside" }, idle]])
  expect(counts.map(({ tid, class: kind, section, count, of }) => [tid, kind, section?.symbol ?? null, count, of])).toEqual([
    [7, "idle", null, 3, 3],
    [8, "abortable", "work", 2, 4],
    [8, "idle", null, 1, 4],
    [8, "outside", null, 1, 4],
  ])
})

describe("inspectRseq refuses", () => {
  test("itself", () => expect(inspectRseq(options({ pid: process.pid }))).rejects.toMatchObject({ code: "E_SELF" }))
  test("a PID that nobody has", () => expect(inspectRseq(options({ pid: 4194303 }))).rejects.toThrow("there is no such process"))
  test("a directory without a set", () =>
    expect(inspectRseq(options({ imagesDir: "/proc/self" }))).rejects.toMatchObject({ code: "E_IMAGE_MISSING" }))
  test.skipIf(!(existsSync("/proc/2/comm") && readFileSync("/proc/2/comm", "utf8").startsWith("kthreadd")))("a kernel thread", () =>
    expect(inspectRseq(options({ pid: 2 }))).rejects.toMatchObject({ code: "E_KERNEL_THREAD" }),
  )
})

/** Sends both threads into their section. */
function enter(fixture: Fixture, generation: number): Promise<boolean> {
  for (const slot of [0, 1]) fixture.write(slot, "wanted", generation)
  return waitFor("both threads in their section", () => [0, 1].every((slot) => fixture.read(slot).entered === generation))
}

describe.skipIf(!canCompile || process.getuid?.() !== 0)("inspectRseq", () => {
  test("shows threads inside their sections, and lets the kernel abort them", async () => {
    using fixture = await startFixture("0")
    await waitFor("both threads", () => fixture.read(0).tid && fixture.read(1).tid)
    let generation = 0
    for (let tries = 0; ; tries++) {
      await enter(fixture, ++generation)
      const { rows } = await inspectRseq(options({ pid: fixture.pid }))
      expect(rows.map(({ tid }) => tid)).toEqual([fixture.read(0).tid, fixture.read(1).tid])
      if (!rows.every((found) => found.class === "abortable") && tries < 500) continue
      for (const found of rows) {
        expect(found).toMatchObject({ name: "section", found: "ptrace", size: 32, signature: 0x53053053, class: "abortable" })
        expect(found.section).toMatchObject({
          start: { address: fixture.start, symbol: expect.stringMatching(/^section/) },
          end: { address: fixture.end, module: expect.stringMatching(/^section\+0x/) },
          abort: { address: fixture.abort },
        })
      }
      break
    }
    const aborted = (slot: number) => fixture.read(slot).aborts === generation
    await waitFor("both aborts", () => aborted(0) && aborted(1))
    expect([fixture.read(0).finished, fixture.read(1).finished]).toEqual([0, 0])
  })

  test("guesses from libc's symbols what the kernel says", async () => {
    using fixture = await startFixture("0")
    await waitFor("both threads", () => fixture.read(0).tid && fixture.read(1).tid)
    let truth = await inspectRseq(options({ pid: fixture.pid }))
    // A thread that has just been made registers itself in its first moments.
    for (let look = 0; look < 100 && truth.rows.some(({ address }) => address === null); look++) {
      await Bun.sleep(10)
      truth = await inspectRseq(options({ pid: fixture.pid }))
    }
    const guess = await inspectRseq(options({ pid: fixture.pid, rseqDiscovery: "libc" }))
    expect(guess.rows.map(({ address, size, signature }) => ({ address, size, signature }))).toEqual(
      truth.rows.map(({ address, size, signature }) => ({ address, size, signature })),
    )
    expect(guess.rows[0]?.found).toBe("libc (a guess)")
    await expect(inspectRseq(options({ pid: fixture.pid, rseqDiscovery: "tls" }))).rejects.toMatchObject({
      code: "E_KERNEL",
      found: "tls: the executable has no __rseq_abi",
    })
  })

  test("shows of a set of images what was found at the freeze, bounds included", async () => {
    using fixture = await startFixture("0", "again")
    await waitFor("both threads", () => fixture.read(0).aborts && fixture.read(1).aborts)
    for (let tries = 0; ; tries++) {
      const imagesDir = scratch("rseq-images")
      await dump(dumpOptions(fixture.pid, imagesDir))
      const { rows } = await inspectRseq(options({ imagesDir }))
      if (!rows.every((found) => found.class === "abortable") && tries < 20) continue
      for (const found of rows) {
        expect(found).toMatchObject({ pid: fixture.pid, name: "section", found: "ptrace", size: 32, class: "abortable" })
        expect(found.section).toMatchObject({
          start: { address: fixture.start },
          end: { address: fixture.end },
          abort: { address: fixture.abort },
        })
        expect(found.ip!.address >= fixture.start && found.ip!.address < fixture.end).toBe(true)
        expect(found.section?.start.module).toMatch(/^section\+0x/)
      }
      break
    }
    expect([fixture.read(0).finished, fixture.read(1).finished]).toEqual([0, 0])
  })

  test("samples as often as it is told", async () => {
    using fixture = await startFixture("0")
    await waitFor("both threads", () => fixture.read(0).tid && fixture.read(1).tid)
    const { counts } = await inspectRseq(options({ pid: fixture.pid, samples: 20 }))
    expect(counts?.reduce((sum, { count }) => sum + count, 0)).toBe(40)
    expect(counts?.every(({ of }) => of === 20)).toBe(true)
  })
})
