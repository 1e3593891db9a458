import { describe, expect, test } from "bun:test"
import { AIO_RING_MAGIC, aioRing } from "../../../ffi/abi/aio.ts"
import { MAP } from "../../../ffi/abi/mman.ts"
import { encode } from "../../../ffi/layout.ts"
import { aio_ring_entrySchema } from "../../../proto/gen/mm_pb.ts"
import { VMA } from "../../../proto/values.ts"
import { askAioRings, collectAioRings, refuseAioRings } from "../../../src/kinds/memory/aio/collect.ts"
import { restoreAioRings, type SavedAioRing, savedAioRings } from "../../../src/kinds/memory/aio/restore.ts"
import { aioRingHeads, aioRingLength, eventsIn, requestsFor } from "../../../src/kinds/memory/aio/ring.ts"
import { collectVmas } from "../../../src/kinds/memory/collect.ts"
import { surveyMemory } from "../../../src/kinds/memory/survey.ts"
import { parseSmaps } from "../../../src/proc/smaps.ts"
import { Program } from "../../../src/tracee/program.ts"
import { answersOf, throughBytes } from "../fixture.ts"
import { plan, vma } from "./sample.ts"

const LINE = "5000-8000 rw-s 00000000 00:13 8156637                    /[aio] (deleted)"
const mapping = (line: string) => parseSmaps(`${line}\nSize: 12 kB\nVmFlags: rd wr sh mr mw ms de\n`)[0]!
const none = {
  mapped: () => 0,
  memory: () => 0,
  ring: () => 0,
  openMode: () => 0,
  lower: { stamp: () => undefined, open: () => undefined },
}
const area = vma(0x5000n, 0x8000n, { status: VMA.AIORING, flags: MAP.SHARED })

describe("a ring", () => {
  test("becomes an area with all its pages, and an entry with what makes it again", () => {
    const vmas = collectVmas([mapping(LINE)], [], none)
    expect(vmas).toEqual([area])
    const entries = collectAioRings(vmas)
    expect(entries.map((entry) => throughBytes(aio_ring_entrySchema, entry))).toEqual([{ id: 0x5000n, nr_req: 190, ring_len: 0x3000 }])
    expect(aioRingHeads(vmas)).toEqual([{ start: 0x5000n, end: 0x5020n }])
  })

  test("has the size that the kernel would make, for any number of requests", () => {
    expect([0x1000, 0x2000, 0x3000].map(eventsIn)).toEqual([127, 255, 383])
    for (let pages = 1; pages < 300; pages++) expect(aioRingLength(requestsFor(pages * 0x1000), 2)).toBe(pages * 0x1000)
    expect(aioRingLength(1, 2)).toBe(0x1000)
    expect(aioRingLength(1, 64)).toBe(0x5000)
  })

  test("is refused in parts, and where only the memory is there", () => {
    const refuseLink = () => undefined
    const noLower = { stamp: () => undefined, open: () => undefined }
    expect(surveyMemory(7, [mapping(LINE)], refuseLink, noLower)).toEqual([])
    for (const other of [LINE.replace("00000000", "00001000"), LINE.replace("rw-s", "r--s")])
      expect(surveyMemory(7, [mapping(other)], refuseLink, noLower)[0]?.what).toBe("a part of an AIO ring")
    const program = new Program()
    const rings = askAioRings(program, [mapping(LINE)])
    expect(program.describe()).toEqual(["#0 io_getevents(0x5000, 0, 0, 0, 0) = any"])
    expect(refuseAioRings(7, answersOf(new Map([[rings[0]!.known, 0n]])), rings)).toEqual([])
    expect(refuseAioRings(7, answersOf(new Map([[rings[0]!.known, -22n]])), rings)[0]?.where).toBe("task 7 VMA 0x5000")
  })
})

describe("savedAioRings", () => {
  const [entry] = collectAioRings([area])
  const good = { id: 0, nr: 383, head: 5, tail: 2, magic: AIO_RING_MAGIC, compat_features: 1, header_length: 32 }
  const read = (
    vmas = [area],
    aios = [entry!],
    head: Parameters<typeof encode<(typeof aioRing)["fields"]>>[1] | undefined = good,
    cpus = 2,
  ) => savedAioRings(9, { vmas, aios }, () => head && encode(aioRing, head), cpus)

  test("tells where the events are", () => {
    expect(read()).toEqual([{ start: 0x5000n, length: 0x3000, requests: 190, head: 5, tail: 2 }])
  })

  test.each([
    ["an area without a ring", () => read([area], []), "has 0 of them and 1 areas"],
    ["a ring without an area", () => read([], [entry!]), "has 1 of them and 0 areas"],
    ["a ring of another length", () => read([area], [{ ...entry!, ring_len: 1 }]), "has 12288 bytes, its ring 1"],
    ["a ring elsewhere", () => read([area], [{ ...entry!, id: 1n }]), "its ring 0"],
    ["other memory", () => read([area], [entry!], { ...good, magic: 1 }), "no ring of 383 events"],
    ["a head beyond the end", () => read([area], [entry!], { ...good, head: 383 }), "no ring of 383 events"],
    ["a number of requests that does not fit", () => read([area], [{ ...entry!, nr_req: 1 }]), "the kernel would make one of 4096"],
    ["a machine with more CPUs", () => read([area], [entry!], good, 256), "the kernel would make one of 69632"],
  ])("%s is refused", (_, step, found) => {
    expect(step).toThrow(found)
  })

  test("a page that is not stored is refused", () => {
    expect(() => savedAioRings(9, { vmas: [area], aios: [entry!] }, () => undefined, 2)).toThrow("the page at 0x5000 is not stored")
  })
})

describe("restoreAioRings", () => {
  const calls = (ring: Partial<SavedAioRing>) =>
    plan((program) => restoreAioRings([{ start: 0x5000n, length: 0x1000, requests: 62, head: 0, tail: 0, ...ring }], 40, program))
      .map((line) => line.replace(/^#\d+ | \/\/.*$/g, ""))
      .slice(3)

  test("makes it at its place", () => {
    expect(calls({})).toEqual([
      "mmap(0x5000, 0x1000, 0, 0x104022, -1, 0)",
      "io_setup(0x3e, room[8])",
      "mremap(u64 of room[8]+0, 0x1000, 0x1000, 3, 0x5000)",
      "close(0x28)",
    ])
  })

  test("moves head and tail: events up to the head are taken, the others stay, around the end too", () => {
    const counts = (ring: Partial<SavedAioRing>) =>
      calls(ring).flatMap((line) => /^io_(submit|getevents)\(0x5000, (\w+)/.exec(line)?.slice(1, 3).join(" ") ?? [])
    expect(counts({ head: 70, tail: 75 })).toEqual(["submit 0x40", "getevents 0x40", "submit 6", "getevents 6", "submit 5"])
    expect(counts({ head: 2, tail: 1 })).toEqual(["submit 2", "getevents 2", "submit 0x40", "submit 0x3e"])
    expect(counts({ head: 3, tail: 3 })).toEqual(["submit 3", "getevents 3"])
  })
})
