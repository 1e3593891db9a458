import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { PE } from "../../../proto/values.ts"
import { collectWindowed } from "../../../src/kinds/memory/shared.ts"
import {
  askWindows,
  collectWindows,
  extentOf,
  joinWindows,
  openSegment,
  showAll,
  surveyWindows,
  unionOf,
} from "../../../src/kinds/memory/windows.ts"
import { mappedInode } from "../../../src/proc/maps.ts"
import { parseSmaps, readSmaps } from "../../../src/proc/smaps.ts"
import { scratch } from "../../harness/folders.ts"
import { canTrace, startTarget, type Target, why } from "../../tracee/fixture.ts"
import { inside } from "../fixture.ts"

const PAGE = 4096n
const range = (start: number, end: number) => ({ start: BigInt(start) * PAGE, end: BigInt(end) * PAGE, flags: PE.PRESENT })
const window = (start: number, end: number, pid = 7) => ({ ...range(start, end), pid, address: 0n, ranges: [range(start, end)] })

test("unionOf joins what overlaps or touches, in order", () => {
  expect(unionOf([range(8, 9), range(0, 2), range(1, 3), range(3, 4)])).toEqual([range(0, 4), range(8, 9)])
  expect(unionOf([])).toEqual([])
})

test("showAll wants every page, from any number of windows", () => {
  expect(showAll([window(2, 4), window(0, 2)], 4n * PAGE)).toBe(true)
  expect(showAll([window(0, 4)], 4n * PAGE - 10n)).toBe(true)
  expect(showAll([window(0, 2), window(3, 4)], 4n * PAGE)).toBe(false)
  expect(showAll([window(1, 4)], 4n * PAGE)).toBe(false)
  expect(showAll([window(0, 3)], 4n * PAGE)).toBe(false)
  expect(showAll([], PAGE)).toBe(false)
})

test("joinWindows brings together what several processes have of one memory", () => {
  const joined = joinWindows([
    new Map([["1", [window(0, 1)]]]),
    new Map([
      ["1", [window(1, 3, 8)]],
      ["2", [window(0, 1, 8)]],
    ]),
  ])
  expect([...joined].map(([key, list]) => [key, list.map(({ pid }) => pid), extentOf(list)])).toEqual([
    ["1", [7, 8], 3n * PAGE],
    ["2", [8], PAGE],
  ])
})

test("surveyWindows refuses more than can be asked about", () => {
  const line = (end: string, path: string) => parseSmaps(`100000000-${end} rw-s 00000000 00:01 3 ${path}\nRss: 0 kB\nVmFlags: rd wr sh\n`)
  expect(surveyWindows(7, line("500000000", "/dev/zero (deleted)"))).toEqual([])
  expect(surveyWindows(7, line("500001000", "/dev/zero (deleted)"))).toEqual([
    expect.objectContaining({ what: "more than 16 GiB of shared memory without a file (16 GiB)", where: "task 7" }),
  ])
  expect(surveyWindows(7, line("900000000", "/a/file"))).toEqual([])
})

describe.skipIf(!canTrace)(`shared memory of another process, through its mappings${why}`, () => {
  let target: Target
  beforeAll(async () => {
    target = await startTarget("memory", "file")
  })
  afterAll(() => target[Symbol.dispose]())

  test("has the parts that hold data, and their content", () => {
    const mappings = readSmaps(target.pid)
    const shared = mappings.find(({ start }) => start === target.at("shared"))!
    inside(
      target.pid,
      (program) => askWindows(program, mappings),
      ({ tid, answers, question }) => {
        if (tid !== target.pid) return
        const windows = collectWindows(target.pid, answers, question).get(mappedInode(shared)) ?? []
        const { inode, ranges, source } = collectWindowed(windows, shared.path, shared.inode, { uid: 1, gid: 2 }, 9)
        expect(inode).toMatchObject({ name: "/dev/zero", size: 6n * PAGE, inode_id: 9n, shmid: Number(shared.inode), uid: 1, gid: 2 })
        expect(ranges).toEqual([range(1, 2), range(4, 5)])
        using segment = openSegment(source)
        const buffer = Buffer.alloc(8192)
        expect(segment.read(buffer, 4096, PAGE)).toBe(4096)
        expect(buffer.subarray(0, 4).toString()).toBe("ssss")
        expect(() => segment.read(buffer, 4096, 6n * PAGE)).toThrow("it was unmapped meanwhile")
      },
    )
  })
})

test("openSegment reads all that is asked for, however short one read is, and zeros behind the end", () => {
  const path = join(scratch("segment"), "memory")
  const bytes = Buffer.from(Uint8Array.from({ length: 600_000 }, (_, i) => 1 + (i % 251)))
  writeFileSync(path, bytes)
  using segment = openSegment(path)
  const into = Buffer.alloc(1 << 20, 0xff)
  expect(segment.read(into, 600_000 - 4096, 4096n)).toBe(600_000 - 4096)
  expect(into.subarray(0, 600_000 - 4096).equals(bytes.subarray(4096))).toBe(true)
  expect(segment.read(into, 604_096 - 4096, 4096n)).toBe(600_000)
  expect(into.subarray(600_000 - 4096, 600_000).every((byte) => byte === 0)).toBe(true)
})
