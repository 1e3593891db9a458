import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { closeSync, openSync, readFileSync, readSync } from "node:fs"
import { join } from "node:path"
import { iovec } from "../../ffi/abi/ptrace.ts"
import { encodeInto } from "../../ffi/layout.ts"
import { copyJob, copyPiece, PIECE } from "../../ffi/stub/record.ts"
import { allocate } from "../../ffi/syscall.ts"
import { type Range, remoteAddress } from "../../src/base/units.ts"
import { copyToFile } from "../../src/tracee/copy.ts"
import { DoorThread } from "../../src/tracee/door-thread.ts"
import { forceMemory } from "../../src/tracee/memory.ts"
import { failureOf } from "../harness/failure.ts"
import { scratch } from "../harness/folders.ts"
import { canTrace, freeze, startTarget, type Target, why } from "./fixture.ts"

const PAGE = 4096
const MIB = 1 << 20

describe.skipIf(!canTrace)(`copyToFile${why}`, () => {
  let target: Target
  beforeAll(async () => {
    target = await startTarget("memory", "file")
  })
  afterAll(() => target[Symbol.dispose]())

  const at = (name: string, offset = 0) => remoteAddress(target.at(name) + BigInt(offset))
  /** The words that target.c wrote into "large". */
  const word = (index: number): number => Math.imul(index, 2654435761) >>> 0

  /** Copies ranges into a new file and returns what `length` bytes of it from `position` are. */
  function copied(ranges: readonly Range[], position: number, isCommon?: (range: Range) => boolean): { written: number; bytes: Buffer } {
    const fd = openSync(join(scratch("copy"), "pages"), "w+")
    try {
      const written = copyToFile(target.pid, ranges, fd, position, isCommon)
      const bytes = Buffer.alloc(written)
      expect(readSync(fd, bytes, 0, written, position)).toBe(written)
      return { written, bytes }
    } finally {
      closeSync(fd)
    }
  }

  test("puts ranges one behind the other, from a position on", () => {
    const { written, bytes } = copied(
      [
        { start: at("mixed", 4 * PAGE), end: at("mixed", 5 * PAGE) },
        { start: at("mixed", 2 * PAGE), end: at("mixed", 3 * PAGE) },
      ],
      3 * PAGE,
    )
    expect(written).toBe(2 * PAGE)
    expect(bytes.toString("latin1")).toBe("e".repeat(PAGE) + "c".repeat(PAGE))
    expect(copied([], 0).written).toBe(0)
  })

  test("reads what has no access rights, also between pages that have", () => {
    using _frozen = freeze(target.pid)
    forceMemory(target.pid, at("hidden", PAGE + 8), Buffer.from("too"))
    const { bytes } = copied(
      [
        { start: at("hidden", 2 * PAGE), end: at("hidden", 3 * PAGE) },
        { start: at("hidden"), end: at("hidden", 3 * PAGE) },
      ],
      0,
    )
    expect(bytes.length).toBe(4 * PAGE)
    expect(bytes.toString("latin1").replace(/h/g, "")).toBe("too")
    expect(copied([{ start: at("hidden", PAGE), end: at("hidden", PAGE + 16) }], 0).bytes.toString()).toBe("hhhhhhhhtoohhhhh")
    expect(copied([{ start: at("nowhere"), end: at("nowhere", PAGE) }], 0).bytes.every((byte) => byte === 0)).toBe(true)
  })

  test("takes more ranges than one call can, and ranges of several MiB", () => {
    const ranges = Array.from({ length: 1500 }, (_, i) => ({ start: at("pieces", 2 * i * PAGE), end: at("pieces", (2 * i + 1) * PAGE) }))
    const large = { start: at("large"), end: at("large", 800 * PAGE) }
    const { bytes } = copied([...ranges, large, ranges[7]!], 0)
    expect(bytes.length).toBe(2301 * PAGE)
    for (let i = 0; i < 1500; i++) expect(bytes.readUInt32LE(i * PAGE)).toBe(2 * i)
    for (const i of [0, MIB / 4, 700_000, 800 * 1024 - 1]) expect(bytes.readUInt32LE(1500 * PAGE + 4 * i)).toBe(word(i))
    expect(bytes.readUInt32LE(2300 * PAGE)).toBe(14)
  })

  test("takes much in two threads, and what is not to be pinned in the careful way, each to its place", () => {
    using _frozen = freeze(target.pid)
    const all = { start: at("pieces"), end: at("pieces", 3000 * PAGE) }
    const parts = [0, 700, 701, 1500, 2900, 3000].flatMap((from, index, bounds) => {
      const to = bounds[index + 1]
      return to === undefined ? [] : [{ start: at("pieces", from * PAGE), end: at("pieces", to * PAGE) }]
    })
    const whole = copied([all], PAGE)
    expect(whole.written).toBe(3000 * PAGE)
    for (const isCommon of [
      () => false,
      () => true,
      ({ start }: { start: bigint }) => start === parts[1]?.start || start === parts[3]?.start,
    ]) {
      expect(copied([...parts, all], 5, isCommon).bytes.equals(Buffer.concat([whole.bytes, whole.bytes]))).toBe(true)
    }
  })

  test("says where nothing is mapped, and that the file cannot be written", () => {
    const gap = [
      { start: at("large"), end: at("large", PAGE) },
      { start: 0x1000n, end: 0x2000n },
    ]
    expect(failureOf(() => copied(gap, 0))).toMatchObject({ call: "pread64", errno: "EIO", args: [target.pid, 0x1000n, 4096] })
    const fd = openSync("/dev/full", "w")
    expect(failureOf(() => copyToFile(target.pid, [gap[0]!], fd, 0))).toMatchObject({ syscall: "pwrite64", code: "ENOSPC" })
    closeSync(fd)
  })
})

// Where no second thread can be made copyToFile works alone, and nobody sees it: so the second one is asked here without the first.
test("a thread of the door copies every piece, and ends; its signals are its own", () => {
  const path = join(scratch("copy"), "pages")
  const fd = openSync(path, "w+")
  const [source, buffer, control] = [allocate(2 * PAGE), allocate(PAGE), allocate(PAGE)]
  const [JOB, PIECES, VECTORS, BUFFER] = [0, 64, 256, 512]
  source.bytes.fill(0x61, 0, PAGE).fill(0x62, PAGE)
  for (const index of [0, 1]) {
    const vector = control.address + VECTORS + index * iovec.size
    encodeInto(iovec, control.bytes, { iov_base: source.address + index * PAGE, iov_len: PAGE }, VECTORS + index * iovec.size)
    // The second page comes first in the file.
    const piece = { vectors: vector, vectorCount: 1, length: PAGE, offset: (1 - index) * PAGE, state: PIECE.waiting }
    encodeInto(copyPiece, control.bytes, piece, PIECES + index * copyPiece.size)
  }
  encodeInto(iovec, control.bytes, { iov_base: buffer.address, iov_len: PAGE }, BUFFER)
  encodeInto(copyJob, control.bytes, { next: 0, count: 2, pieces: control.address + PIECES, pid: process.pid, file: fd }, JOB)
  const blocked = () => /^SigBlk:.*$/m.exec(readFileSync("/proc/thread-self/status", "latin1"))?.[0]
  const before = blocked()
  const thread = new DoorThread()
  thread.start("door_copy", control.address + JOB, control.address + BUFFER)
  thread.join()
  expect(blocked()).toBe(before)
  const states = [0, 1].map((index) => Number(control.view.getBigInt64(PIECES + index * copyPiece.size + copyPiece.fields.state[0], true)))
  expect(states).toEqual([PIECE.written, PIECE.written])
  closeSync(fd)
  expect(readFileSync(path, "latin1")).toBe("b".repeat(PAGE) + "a".repeat(PAGE))
})
