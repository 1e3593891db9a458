import { afterEach, describe, expect, test } from "bun:test"
import { closeSync, fstatSync, openSync, readdirSync, readlinkSync } from "node:fs"
import { holdInterrupts } from "../../../ffi/interrupt.ts"
import { attempt } from "../../../ffi/syscall.ts"
import { rangesOutside, ServiceDescriptors } from "../../../src/flow/restore/descriptors.ts"
import { keeperOf } from "../../../src/flow/restore/ids.ts"
import { spawnSeed } from "../../../src/tracee/seed.ts"
import { cleanupDeadline, deadlineIn, waitReport } from "../../../src/tracee/wait.ts"

const F_GETFD = 1
const opened: number[] = []
const open = (): number => {
  const fd = openSync("/dev/null", "r")
  opened.push(fd)
  return fd
}
const isOpen = (fd: number): boolean => attempt("fcntl", fd, F_GETFD) >= 0
afterEach(() => {
  for (const fd of opened.splice(0)) closeSync(fd)
})

describe("rangesOutside", () => {
  const MAX = 0xffffffff
  const rows: readonly (readonly [readonly number[], readonly (readonly [number, number])[]])[] = [
    [[], [[0, MAX]]],
    [[0], [[1, MAX]]],
    [
      [5],
      [
        [0, 4],
        [6, MAX],
      ],
    ],
    [
      [7, 3, 4],
      [
        [0, 2],
        [5, 6],
        [8, MAX],
      ],
    ],
    [[0, 1, 2], [[3, MAX]]],
  ]
  for (const [kept, ranges] of rows)
    test(`[${kept}]`, () => expect(rangesOutside(kept)).toEqual(ranges.map(([first, last]) => [first, last])))

  test("covers every number that is not kept, once, and none that is", () => {
    const kept = Array.from({ length: 60 }, (_, i) => (i * 37) % 211)
    const ranges = rangesOutside(kept)
    for (let fd = 0; fd < 300; fd++)
      expect(ranges.filter(([first, last]) => fd >= first && fd <= last).length).toBe(kept.includes(fd) ? 0 : 1)
  })
})

describe("ServiceDescriptors", () => {
  test("numbers are none that the process had, none of the tool's, no standard one, and never the same twice", () => {
    const wanted = [3, 4, 5, 10, 11, 20]
    const mine = [open(), open()]
    using services = new ServiceDescriptors(wanted)
    const numbers = Array.from({ length: 12 }, (_, i) => (i % 3 === 2 ? services.reserve() : services.share(mine[0]!)))
    expect(new Set(numbers).size).toBe(12)
    for (const number of numbers) {
      expect(number).toBeGreaterThan(2)
      expect(wanted).not.toContain(number)
      expect(mine).not.toContain(number)
    }
    expect(services.numbers).toEqual([...numbers].sort((a, b) => a - b))
  })

  test("a shared one is the same file, open without close-on-exec; a reserved one is not open", () => {
    const fd = open()
    using services = new ServiceDescriptors([])
    const [copy, place] = [services.share(fd), services.reserve()]
    expect(fstatSync(copy).ino).toBe(fstatSync(fd).ino)
    expect(attempt("fcntl", copy, F_GETFD)).toBe(0)
    expect(isOpen(place)).toBe(false)
  })

  test.skipIf(process.getuid?.() !== 0)("the seed of a restore inherits the copies at their numbers, and none of the tool's own", () => {
    const fd = open()
    using services = new ServiceDescriptors([3, 4])
    const copies = [services.share(fd), services.share(fd)]
    using _ = holdInterrupts()
    const pid = process.pid + 7919 > 30_000 ? process.pid - 7919 : process.pid + 7919
    spawnSeed(pid, {}, deadlineIn(10), keeperOf)
    try {
      for (const copy of copies) expect(readlinkSync(`/proc/${pid}/fd/${copy}`)).toBe("/dev/null")
      expect(readdirSync(`/proc/${pid}/fd`).map(Number)).not.toContain(fd)
    } finally {
      attempt("kill", pid, 9)
      while (waitReport(pid, cleanupDeadline(), "the end of the seed").kind !== "gone");
    }
  })

  test("disposal closes the copies and nothing else", () => {
    const fd = open()
    const services = new ServiceDescriptors([])
    const [first, second] = [services.share(fd), services.share(fd)]
    services[Symbol.dispose]()
    expect([first, second, fd].map(isOpen)).toEqual([false, false, true])
    services[Symbol.dispose]()
  })
})
