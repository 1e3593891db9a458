import { expect, test } from "bun:test"
import { fd_types, type file_entry } from "../../../proto/gen/fdinfo_pb.ts"
import { checkFiles } from "../../../src/kinds/files/check.ts"
import type { Found, Surveying } from "../../../src/kinds/files/collecting.ts"
import { refuseEpoll } from "../../../src/kinds/files/epoll/collect.ts"
import { wantedNumbers } from "../../../src/kinds/files/images.ts"
import { STRICT } from "../../../src/kinds/files/keeping.ts"
import { findShared } from "../../../src/kinds/files/restore-shared.ts"
import { parseFdInfo } from "../../../src/proc/fdinfo.ts"
import { fown, imagesOf, plansOf } from "./plans.ts"

const info = parseFdInfo(
  "pos:\t0\nflags:\t02\nmnt_id:\t15\nino:\t1\ntfd:        5 events:       19 data:                5 pos:0 ino:61af sdev:7\n",
)
const surveying = { descriptors: new Map([[5, {} as Found]]) } as unknown as Surveying
const epollOf = (pid: number) => ({ pid, fd: 3, info }) as unknown as Found

test("refuseEpoll: a process that has ended while it was looked at refuses nothing", async () => {
  const child = Bun.spawn(["true"])
  await child.exited
  expect(refuseEpoll(epollOf(child.pid), surveying)).toBeUndefined()
})

test("refuseEpoll: a watched number that is closed is told", () => {
  expect(refuseEpoll(epollOf(process.pid), { descriptors: new Map() })?.what).toContain("fd 5, which is closed")
})

const CHECK = { ...STRICT, buildIdOf: () => [], shellJob: false, terminal: false, tcpEstablished: false, tcpClose: false }
const event: file_entry = { type: fd_types.EVENTFD, id: 1, efd: { id: 1, flags: 2, fown, counter: 0n } }

/** An epoll that watches by these numbers. */
const watching = (...numbers: number[]): file_entry => {
  const tfd = numbers.map((number) => ({ id: 0, tfd: number, events: 0x80000001, data: 0xffffffffffffffffn, dev: 1, inode: 2n, pos: 0n }))
  return { type: fd_types.EVENTPOLL, id: 8, epfd: { id: 8, flags: 2, fown, tfd } }
}
const moved = (...added: number[]) => ({ extension: [{ id: 8, epoll: { process: 78, added } }] })
const check =
  (...added: number[]) =>
  () =>
    checkFiles([imagesOf({ 2: watching(7, 7, 7), 7: event }, moved(...added))], new Set(), CHECK)

test("what an epoll watches is added when every descriptor has its number", () => {
  const { open } = plansOf(imagesOf({ 2: watching(7), 7: event }))
  expect(open[0]).toBe("#2 epoll_create1(0) // epoll 8")
  const added = open.findIndex((line) => line.includes("epoll_ctl(2, 1, 7, "))
  expect(added).toBeGreaterThan(open.findIndex((line) => line.includes(", 7, 0) // fd 7")))
})

test("what stood under another number is added by way of that number, and what is there is put back", () => {
  const { open } = plansOf(imagesOf({ 2: watching(7, 7, 7), 4: event, 7: event }, moved(9, 4)))
  const from = open.findIndex((line) => line.includes("epoll_ctl"))
  expect(open.slice(from).map((line) => line.replace(/^#\d+ | \/\/.*|, ".*"\)/g, ""))).toEqual([
    "epoll_ctl(2, 1, 7",
    "dup3(7, 9, 0)",
    "epoll_ctl(2, 1, 9",
    "close(9)",
    "fcntl(4, 0, 0)",
    "dup3(7, 4, 0)",
    "epoll_ctl(2, 1, 4",
    expect.stringMatching(/^dup3\(#\d+, 4, 0\)$/),
    expect.stringMatching(/^close\(#\d+\)$/),
  ])
})

test("an epoll that stands at such a number itself is reached by way of the one that steps aside", () => {
  const { open } = plansOf(imagesOf({ 2: watching(7), 7: event }, moved(2)))
  expect(open.filter((line) => /epoll_ctl\(#\d+, 1, 2, /.test(line)).length).toBe(1)
})

test("wantedNumbers has the numbers that files stand at for a moment", () => {
  expect(wantedNumbers(imagesOf({ 2: watching(7, 7, 7), 7: event }, moved(9, 4)))).toEqual([2, 7, 9, 4])
})

test("a shared epoll is told what it watches by the process whose numbers its entries are, where that is known", () => {
  const { fdinfos, files } = imagesOf({ 2: watching(7), 7: event })
  const tables = [77, 78].map((pid) => ({ pid, fdinfos }))
  const finisher = (extension: ReturnType<typeof moved>["extension"]) =>
    findShared(tables, { files, skQueues: new Map(), extension, departed: new Map() }).finisher.get(8)
  expect(finisher(moved().extension)).toBe(78)
  expect(finisher([])).toBe(77)
})

test("checkFiles refuses what is not there, more such numbers than files, and those that nobody can have", () => {
  expect(() => checkFiles([imagesOf({ 2: watching(7) })], new Set(), CHECK)).toThrow("it watches fd 7, which is not in the image")
  expect(check(9, 4)).not.toThrow()
  expect(check(9, 4, 5, 6)).toThrow("it watches 3 files, 4 of them elsewhere")
  expect(check(0x7fffffff)).toThrow("fs.nr_open")
})
