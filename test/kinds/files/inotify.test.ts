import { afterAll, describe, expect, test } from "bun:test"
import { linkSync, mkdirSync, openSync, readlinkSync, renameSync, unlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { FIONREAD } from "../../../ffi/abi/file.ts"
import { IN, INOTIFY_IOC_SETNEXTWD, inotifyEvent } from "../../../ffi/abi/notify.ts"
import { decode } from "../../../ffi/layout.ts"
import { allocate, pathArgument, syscall } from "../../../ffi/syscall.ts"
import { fd_types } from "../../../proto/gen/fdinfo_pb.ts"
import type { inotify_file_entry, inotify_wd_entry } from "../../../proto/gen/fsnotify_pb.ts"
import type { Found, Surveying } from "../../../src/kinds/files/collecting.ts"
import type { Ghost } from "../../../src/kinds/files/images.ts"
import { openHandles } from "../../../src/kinds/files/notify/handle.ts"
import { collectInotify, refuseInotify } from "../../../src/kinds/files/notify/inotify/collect.ts"
import { tellLoss } from "../../../src/kinds/files/notify/inotify/lost.ts"
import { addWatches } from "../../../src/kinds/files/notify/inotify/restore.ts"
import { statDescriptor } from "../../../src/kinds/files/stat.ts"
import { readFdInfo } from "../../../src/proc/fdinfo.ts"
import { inotifyWatches } from "../../../src/proc/notify.ts"
import { discard, scratch } from "../../harness/folders.ts"
import { skip } from "../../harness/skip.ts"
import { mountTmpfs } from "../../live/tmpfs.ts"
import { close, fown, imagesOf, openFile, ownCollecting } from "./plans.ts"

const folder = scratch("inotify")
afterAll(() => discard(folder))
const answer = allocate(4096)

function made(name: string): string {
  writeFileSync(join(folder, name), "")
  return join(folder, name)
}

const open = (): number => syscall("inotify_init1", 0o4000)

function watch(fd: number, path: string, mask: number, wd: number): void {
  syscall("ioctl", fd, INOTIFY_IOC_SETNEXTWD, wd)
  expect(syscall("inotify_add_watch", fd, pathArgument(path), mask)).toBe(wd)
}

const watchesOf = (fd: number) => inotifyWatches(readFdInfo(process.pid, fd)).sort((a, b) => a.wd - b.wd)

/** The tree is this process, with these descriptors. */
const tree = (...found: readonly Found[]): Pick<Surveying, "insiders" | "openers"> => ({
  insiders: [{ pid: process.pid, threads: [], group: 0 }],
  openers: (ino) => found.filter(({ stat }) => stat.ino === ino).map((one) => ({ ...one, pid: 1 })),
})

function collect(fd: number, surveying = tree()): { entry: inotify_file_entry; collecting: ReturnType<typeof ownCollecting> } {
  const file = openFile(fd, { flags: 0o4000 })
  expect(refuseInotify(file, surveying)).toBeUndefined()
  const collecting = ownCollecting()
  const ify = collectInotify(file, collecting)
  const through = imagesOf({ 5: { type: fd_types.INOTIFY, id: 7, ify } }).files.get(7)?.ify
  if (!through) throw new Error("no body")
  return { entry: through, collecting }
}

const NOTHING_MADE = { ghosts: new Map<number, Ghost>(), made: new Map<number, number>() }

/** A new inotify with the watches of an entry. */
function renewed(entry: inotify_file_entry): number {
  using handles = openHandles()
  const fd = open()
  addWatches(fd, entry, { handles, ...NOTHING_MADE })
  return fd
}

const queued = (fd: number): number => {
  syscall("ioctl", fd, FIONREAD, answer.address)
  return answer.view.getInt32(0, true)
}

describe("collectInotify and addWatches", () => {
  test("keep numbers, masks and files, whatever the files are called by now", () => {
    const fd = open()
    const [plain, old, one] = [made("plain"), made("old"), made("one")]
    mkdirSync(join(folder, "sub"))
    watch(fd, plain, IN.MODIFY | IN.EXCL_UNLINK, 1000)
    watch(fd, join(folder, "sub"), 0x300, 3)
    watch(fd, old, IN.ATTRIB | IN.ONESHOT, 16)
    watch(fd, one, 0xfff, 2 ** 31 - 1)
    watch(fd, made("nothing"), IN.MASK_ADD, 17)
    renameSync(old, join(folder, "new"))
    linkSync(one, join(folder, "another"))
    unlinkSync(one)
    while (queued(fd) > 0) syscall("read", fd, answer.address, 4096)
    const { entry, collecting } = collect(fd)
    expect(entry).toMatchObject({ id: 7, flags: 0o4000, fown })
    expect(entry.wd.map(({ wd, f_handle }) => [wd, f_handle.path]).sort()).toEqual(
      [
        [1000, plain],
        [3, join(folder, "sub")],
        [16, join(folder, "new")],
        [2 ** 31 - 1, join(folder, "another")],
        [17, join(folder, "nothing")],
      ].sort(),
    )
    expect(entry.wd.every(({ f_handle }) => f_handle.handle.length === 16)).toBe(true)
    expect(collecting).toMatchObject({ losses: [], extension: [] })
    const again = renewed(entry)
    expect(watchesOf(again)).toEqual(watchesOf(fd))
    expect(queued(again)).toBe(0)
    close(fd)
    close(again)
  })

  test("find files by their handles alone, as CRIU writes them, and by paths where handles lead nowhere", () => {
    const fd = open()
    watch(fd, made("handled"), IN.MODIFY, 5)
    const { entry } = collect(fd)
    const [{ f_handle: handle, ...watched }] = entry.wd as [inotify_wd_entry]
    const { path: _, ...pathless } = handle
    const byHandle = renewed({ ...entry, wd: [{ ...watched, f_handle: pathless }] })
    expect(watchesOf(byHandle)).toEqual(watchesOf(fd))
    const wrong = { ...handle, handle: [0n, ...handle.handle.slice(1)] }
    const byPath = renewed({ ...entry, wd: [{ ...watched, f_handle: wrong }] })
    expect(watchesOf(byPath)).toEqual(watchesOf(fd))
    for (const one of [fd, byHandle, byPath]) close(one)
  })

  test("tell nobody that they looked, and leave the current directory as it was", () => {
    using mount = mountTmpfs("size=1M")
    if (!mount) return skip("no mount is allowed here")
    const [fd, spy] = [open(), open()]
    const path = join(mount.path, "quiet")
    writeFileSync(path, "")
    for (const watched of [mount.path, path]) syscall("inotify_add_watch", spy, pathArgument(watched), IN.ALL_EVENTS)
    watch(fd, path, IN.MODIFY, 1)
    while (queued(spy) > 0) syscall("read", spy, answer.address, 4096)
    const before = process.cwd()
    const { entry } = collect(fd)
    expect(entry.wd[0]?.f_handle.path).toBe(path)
    const [only] = entry.wd as [inotify_wd_entry]
    const { path: _, ...pathless } = only.f_handle
    const again = renewed({ ...entry, wd: [{ ...only, f_handle: pathless }] })
    expect(watchesOf(again)).toEqual(watchesOf(fd))
    expect([queued(spy), readlinkSync("/proc/self/cwd")]).toEqual([0, before])
    for (const one of [fd, spy, again]) close(one)
  })

  test("say that unread events are lost, and leave them where they are", () => {
    const fd = open()
    const path = made("busy")
    watch(fd, path, IN.MODIFY, 1)
    writeFileSync(path, "x")
    const before = queued(fd)
    expect(before).toBeGreaterThan(0)
    const { collecting } = collect(fd)
    expect(queued(fd)).toBe(before)
    expect(collecting.extension).toEqual([{ id: 7, notify_lost: before }])
    expect(collecting.losses).toEqual([expect.stringContaining(`${before} bytes of events`)])
    close(fd)
  })

  test("fail by name when two watched files are one by now", () => {
    const fd = open()
    watch(fd, made("first"), IN.MODIFY, 1)
    const { entry } = collect(fd)
    const [only] = entry.wd as [inotify_wd_entry]
    expect(() => renewed({ ...entry, wd: [only, { ...only, wd: 2 }] })).toThrow(expect.objectContaining({ code: "E_RESTORE" }))
    close(fd)
  })
})

describe("refuseInotify", () => {
  test("takes a deleted file that the tree has open, and no other one", () => {
    const fd = open()
    const path = made("deleted")
    const kept = openSync(path, "r")
    watch(fd, path, IN.MODIFY, 1)
    unlinkSync(path)
    expect(refuseInotify(openFile(fd), tree())?.what).toContain("only a process outside has open")
    expect(refuseInotify(openFile(fd), tree(openFile(kept)))).toBeUndefined()
    close(kept)
    close(fd)
  })

  test("takes what no handle opens if the tree has it open, and names it else", () => {
    const fd = open()
    const path = "/proc/self/status"
    const kept = openSync(path, "r")
    watch(fd, path, IN.MODIFY, 1)
    const { ino, dev } = statDescriptor(kept)
    expect(refuseInotify(openFile(fd), tree())?.what).toContain(`inode ${ino} of device ${dev >>> 20}:${dev & 0xfffff}`)
    const opener = openFile(kept, { target: `/proc/${process.pid}/status` })
    expect(collect(fd, tree(opener)).entry.wd[0]?.f_handle.path).toBe(opener.target)
    close(kept)
    close(fd)
  })

  test("refuses one that is on its way through a socket", () => {
    const fd = open()
    const insiders = [{ pid: 1, threads: [1], group: 1 }]
    expect(refuseInotify(openFile(fd), { ...tree(), insiders })?.what).toContain("through a socket")
    close(fd)
  })
})

test("tellLoss leaves the one event that says so, and no watch", () => {
  const fd = open()
  expect(tellLoss(fd)).toBe(true)
  expect(queued(fd)).toBe(inotifyEvent.size)
  expect(watchesOf(fd)).toEqual([])
  watch(fd, made("after"), IN.MODIFY, 9)
  writeFileSync(join(folder, "after"), "x")
  expect(syscall("read", fd, answer.address, 4096)).toBeGreaterThan(16)
  expect(decode(inotifyEvent, answer.bytes)).toEqual({ wd: -1, mask: IN.Q_OVERFLOW, cookie: 0, len: 0 })
  expect(decode(inotifyEvent, answer.bytes.subarray(16))).toMatchObject({ wd: 9, mask: IN.MODIFY })
  close(fd)
})
