import { describe, expect, test } from "bun:test"
import { closeSync, openSync, writeSync } from "node:fs"
import { join } from "node:path"
import { O } from "../../../ffi/abi/file.ts"
import { attempt, syscall } from "../../../ffi/syscall.ts"
import { fd_types, type file_entry } from "../../../proto/gen/fdinfo_pb.ts"
import type { stasis_file_entry } from "../../../proto/gen/stasis_pb.ts"
import { checkFiles } from "../../../src/kinds/files/check.ts"
import { contentOf } from "../../../src/kinds/files/content.ts"
import { collectFifo, refuseFifo } from "../../../src/kinds/files/fifo/collect.ts"
import { STRICT } from "../../../src/kinds/files/keeping.ts"
import { findOutsiders } from "../../../src/kinds/files/outsiders.ts"
import type { PipeData } from "../../../src/kinds/files/payloads.ts"
import { REFUSED } from "../../../src/kinds/files/socket/inet/modes.ts"
import { inodeKey } from "../../../src/kinds/files/stat.ts"
import { scratch } from "../../harness/folders.ts"
import { close, fown, given, imagesOf, openFile, ownCollecting, plansOf, taken } from "./plans.ts"

const name = join(scratch("fifos"), "fifo")
Bun.spawnSync(["mkfifo", "-m", "640", name])

/** Where collectFifo puts things. */
function collecting() {
  const files: file_entry[] = []
  const fifoData = new Map<string, PipeData>()
  const table = {
    path: () => 0,
    noteWayBack: () => name,
    memfd: () => 0,
    notePacketRings: () => {},
    nextId: () => 100 + files.length,
    add: (entry: file_entry) => void files.push(entry),
  }
  return { ...ownCollecting(), files, fifoData, table }
}

const opened = (flags: number, use: (fd: number) => void): void => {
  const fd = openSync(name, flags | O.NONBLOCK)
  try {
    use(fd)
  } finally {
    closeSync(fd)
  }
}
const found = (fd: number, flags: number) => openFile(fd, { flags, target: name })

describe("collectFifo", () => {
  test("reads the content once, leaves it there, and knows who has seen a writer", () => {
    const into = collecting()
    opened(O.RDONLY, (early) => {
      expect(collectFifo(found(early, O.RDONLY), into)).toMatchObject({ id: 7, regf_id: 100 })
      expect(into.extension).toEqual([{ id: 7, fifo_unwritten: true }])
      opened(O.WRONLY, (fd) => void writeSync(fd, "hello"))
      const later = collecting()
      const entry = collectFifo(found(early, O.RDONLY), later)
      expect(collectFifo(found(early, O.RDONLY), later).pipe_id).toBe(entry.pipe_id)
      expect(later.extension).toEqual([])
      const [data, ...more] = later.fifoData.values()
      expect(more).toEqual([])
      expect([data?.message, Buffer.from(data?.payload ?? []).toString()]).toEqual([
        { pipe_id: entry.pipe_id, bytes: 5, size: 65536 },
        "hello",
      ])
      expect(later.files[0]?.reg).toMatchObject({ id: 100, name, mode: 0o10640, flags: O.RDONLY })
      expect(later.files[0]?.reg?.size).toBeUndefined()
    })
  })

  test("gives FIFOs of two file systems with one inode number two ids", () => {
    const into = collecting()
    opened(O.RDWR, (fd) => {
      const here = found(fd, O.RDWR)
      const there = { ...here, stat: { ...here.stat, dev: here.stat.dev + 1 } }
      const ids = [here, there, here].map((file) => collectFifo(file, into).pipe_id)
      expect(ids).toEqual([Number(here.stat.ino), Number(here.stat.ino) + 1, Number(here.stat.ino)])
    })
  })
})

test("findOutsiders finds who has it open, and refuseFifo names the task", async () => {
  // Open in both directions, which waits for nobody.
  const holder = Bun.spawn(["sh", "-c", 'exec sleep 60 3<>"$0"', name], { stdin: "ignore", stdout: "ignore" })
  opened(O.RDWR, (fd) => {
    const file = found(fd, O.RDWR)
    const holders = findOutsiders(new Set([process.pid]), [file]).files
    // Who starts a program may be taken for its parent: asked from outside the tree of this process.
    const outside = findOutsiders(new Set([2 ** 30]), [file]).files
    expect(holders.get(inodeKey(file.stat))).toBeUndefined()
    const task = outside.get(inodeKey(file.stat))
    expect([process.pid, holder.pid]).toContain(task ?? 0)
    expect(refuseFifo(file, { fifoHolder: () => task })?.what).toBe(`the FIFO "${name}", which task ${task} has open too`)
    expect(refuseFifo(file, { fifoHolder: () => undefined })).toBeUndefined()
  })
  holder.kill()
  await holder.exited
})

const fifo = (id: number): file_entry => ({ type: fd_types.FIFO, id, fifo: { id, pipe_id: 9, regf_id: id + 10 } })
const path = (id: number, flags: number): file_entry => ({
  type: fd_types.REG,
  id,
  reg: { id, flags, pos: 0n, fown, name, mode: 0o10640, build_id: [] },
})

/** Images of FIFO ends with these flags at numbers from 3, ids from 1. */
function images(flags: readonly number[], extension: readonly stasis_file_entry[] = []) {
  const files = flags.flatMap((each, index) => [fifo(index + 1), path(index + 11, each)])
  const fdinfos = flags.map((_, index) => ({ id: index + 1, fd: index + 3, type: fd_types.FIFO, flags: 0 }))
  const payload = new TextEncoder().encode("hello")
  const fifoData = [{ message: { pipe_id: 9, bytes: 5, size: 4096 }, payload }]
  return { ...imagesOf({}), files: new Map(files.map((file) => [file.id, file])), fdinfos, fifoData, extension }
}

describe("restoreFifo", () => {
  const lines = (of: ReturnType<typeof images>) => plansOf(of).open.map((line) => line.replace(name, "FIFO").replace(/ \/\/.*/, ""))

  test("opens all ends between two of its own", () => {
    expect(lines(images([O.RDONLY, O.WRONLY | O.NONBLOCK]))).toEqual([
      '#2 openat(-100, "FIFO\\u0000", 0x900, 0)',
      '#3 openat(-100, "FIFO\\u0000", 0x901, 0)',
      "#4 fcntl(#3, 0x407, 0x1000)",
      '#5 write(#3, "hello", 5)',
      '#6 openat(-100, "FIFO\\u0000", 0x100, 0)',
      '#7 openat(-100, "FIFO\\u0000", 0x901, 0)',
      "#8 close(#3)",
      "#9 close(#2)",
      "#10 dup3(#6, 3, 0)",
      "#11 close(#6)",
      "#12 dup3(#7, 4, 0)",
      "#13 close(#7)",
    ])
  })

  test("opens one that waits for its first writer when ours has gone, and only without a writer in the images", () => {
    const unwritten = [{ id: 1, fifo_unwritten: true }]
    expect(lines(images([O.RDONLY], unwritten)).slice(4, 8)).toEqual([
      "#5 close(#2)",
      '#6 openat(-100, "FIFO\\u0000", 0x900, 0)',
      "#7 fcntl(#6, 4, 0)",
      "#8 close(#1)",
    ])
    expect(lines(images([O.RDONLY, O.RDWR], unwritten))[6]).toBe("#8 close(#3)")
  })

  test("checkFiles refuses a FIFO without a path, and a file at its path", () => {
    const check = (of: ReturnType<typeof images>) => () =>
      checkFiles([of], new Set([1]), { ...STRICT, ...REFUSED, buildIdOf: () => [], shellJob: false, terminal: false })
    check(images([O.RDONLY]))()
    const lost = images([O.RDONLY])
    lost.files.delete(11)
    expect(check(lost)).toThrow("Cannot restore file 1 of files.img: the path of this FIFO is missing")
    const other = images([O.RDONLY])
    other.files.set(11, { ...path(11, 0), reg: { ...path(11, 0).reg!, name: "/dev/null" } })
    expect(check(other)).toThrow("it is a character device now and was")
  })
})

test("contentOf tells packets apart and leaves them in the pipe", () => {
  const pair = given(new Uint8Array(8))
  syscall("pipe2", pair, O.DIRECT | O.NONBLOCK)
  const [read, write] = [taken(0), taken(4)]
  for (const length of [3, 1, 4096, 2]) syscall("write", write, given(new Uint8Array(length).fill(length)), length)
  for (let round = 0; round < 2; round++) {
    const { data, packets } = contentOf(read, 9)
    expect(packets).toEqual([3, 1, 4096, 2])
    expect([data.message.bytes, data.payload.at(3), data.payload.at(-1)]).toEqual([4102, 1, 2])
  }
  // Nothing of it is divided without packets, however it was written.
  syscall("fcntl", write, 4, O.NONBLOCK)
  while (attempt("read", read, given(new Uint8Array(0)), 4096) > 0);
  for (const length of [4096, 5, 4000, 4090]) syscall("write", write, given(new Uint8Array(length)), length)
  expect(contentOf(read, 9).packets).toBeUndefined()
  for (const fd of [read, write]) close(fd)
})

test("restorePipe writes packets as packets, and clears the mode that made them", () => {
  const pipe = (id: number, flags: number): file_entry => ({ type: fd_types.PIPE, id, pipe: { id, pipe_id: 6, flags, fown } })
  const payload = new TextEncoder().encode("hello")
  const pipesData = [{ message: { pipe_id: 6, bytes: 5, size: 0 }, payload }]
  const plan = (extension: readonly stasis_file_entry[], flags: number) =>
    plansOf(imagesOf({ 0: pipe(1, 0), 1: pipe(2, flags) }, { pipesData, extension })).open.slice(1)
  expect(plan([{ id: 1, pipe_packets: { lengths: [2, 3] } }], 1).slice(0, 4)).toEqual([
    "#3 fcntl(u32 of room[8]+4, 4, 0x4000) // the content of pipe 6",
    '#4 write(u32 of room[8]+4, "he", 2) // the content of pipe 6',
    '#5 write(u32 of room[8]+4, "llo", 3) // the content of pipe 6',
    "#6 fcntl(u32 of room[8]+4, 4, 0) // the content of pipe 6",
  ])
  // One packet is not told: the mode of an end says it.
  expect(plan([], 0o40001)[0]).toBe("#3 fcntl(u32 of room[8]+4, 4, 0x4000) // the content of pipe 6")
  expect(plan([], 1)[0]).toStartWith("#3 write(")
})
