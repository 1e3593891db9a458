import { afterAll, describe, expect, test } from "bun:test"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { AT } from "../../../ffi/abi/file.ts"
import { FAN, FAN_MARK } from "../../../ffi/abi/notify.ts"
import { attempt, errnoName, pathArgument, syscall } from "../../../ffi/syscall.ts"
import { fd_types, type file_entry } from "../../../proto/gen/fdinfo_pb.ts"
import { type fanotify_file_entry, type fanotify_mark_entry, mark_type } from "../../../proto/gen/fsnotify_pb.ts"
import type { stasis_file_entry } from "../../../proto/gen/stasis_pb.ts"
import { notifyChecks } from "../../../src/kinds/files/notify/check.ts"
import { collectFanotify, refuseFanotify } from "../../../src/kinds/files/notify/fanotify/collect.ts"
import { addMarks, mountPath } from "../../../src/kinds/files/notify/fanotify/restore.ts"
import { openHandles, savedHandle } from "../../../src/kinds/files/notify/handle.ts"
import { readFdInfo } from "../../../src/proc/fdinfo.ts"
import { readMountinfo } from "../../../src/proc/mountinfo.ts"
import { discard, scratch } from "../../harness/folders.ts"
import { skip } from "../../harness/skip.ts"
import { close, fown, imagesOf, openFile, ownCollecting, plansOf } from "./plans.ts"

const folder = scratch("fanotify")
const [file, sub] = [join(folder, "file"), join(folder, "sub")]
writeFileSync(file, "")
mkdirSync(sub)
afterAll(() => discard(folder))

/** A group, or undefined where this kernel has none, or we may not have one. */
function group(flags: number): number | undefined {
  const fd = attempt("fanotify_init", flags, 0o100000)
  if (fd >= 0) return fd
  return skip(`fanotify_init answers ${errnoName(-fd)}`)
}

const mark = (fd: number, flags: number, mask: number, path: string): number =>
  syscall("fanotify_mark", fd, FAN_MARK.ADD | flags, mask, AT.FDCWD, pathArgument(path))

const told = (fd: number): readonly string[] => readFdInfo(process.pid, fd).lines
const tree = { insiders: [{ pid: process.pid, threads: [], group: 0 }], openers: () => [] }

function collect(fd: number): { entry: fanotify_file_entry; facts: stasis_file_entry | undefined } {
  const found = openFile(fd, { flags: 0o4002 })
  expect(refuseFanotify(found, tree)).toBeUndefined()
  const collecting = ownCollecting()
  const ffy = collectFanotify(found, collecting)
  const entry = imagesOf({ 5: { type: fd_types.FANOTIFY, id: 7, ffy } }).files.get(7)?.ffy
  if (!entry) throw new Error("no body")
  return { entry, facts: collecting.extension[0] }
}

/** A new group with the marks of an entry. */
function renewed({ entry, facts }: ReturnType<typeof collect>): number {
  using handles = openHandles()
  const fd = syscall("fanotify_init", entry.faflags, entry.evflags)
  addMarks(fd, entry, facts, { handles, ghosts: new Map(), made: new Map() })
  return fd
}

describe("collectFanotify and addMarks", () => {
  test("keep marks of all kinds, what they ask for and what they ignore", () => {
    const fd = group(FAN.NONBLOCK)
    if (fd === undefined) return
    const { point, id } = readMountinfo(process.pid).findLast(({ type }) => type === "proc") ?? { point: "/", id: 0 }
    mark(fd, FAN_MARK.FILESYSTEM, 8, point)
    mark(fd, 0, 0x22, file)
    mark(fd, FAN_MARK.IGNORED_MASK | FAN_MARK.IGNORED_SURV_MODIFY, 0x20, file)
    mark(fd, FAN_MARK.MOUNT, 8, point)
    mark(fd, 0, 0x48000020, sub)
    const saved = collect(fd)
    expect(saved.entry).toMatchObject({ id: 7, flags: 0o4002, fown, faflags: FAN.NONBLOCK, evflags: 0o100000 })
    expect(saved.entry.mark.map(({ type, ie, me }) => [type, ie?.f_handle.path ?? me])).toEqual([
      [mark_type.INODE, sub],
      [mark_type.MOUNT, { mnt_id: id, path: point }],
      [mark_type.INODE, file],
    ])
    // Events of others in that file system may be waiting by now, which are counted too.
    const { notify_lost: _, ...facts } = saved.facts ?? {}
    expect(facts).toMatchObject({ id: 7, filesystem_marks: { marks: [{ path: point, mflags: 0, mask: 8, ignored_mask: 0 }] } })
    const again = renewed(saved)
    expect(told(again)).toEqual(told(fd))
    close(fd)
    close(again)
  })

  test("keep marks whose files may leave memory, and those that ignore by flags", () => {
    const fd = group(FAN.NONBLOCK | FAN.REPORT_DIR_FID | FAN.REPORT_NAME)
    if (fd === undefined) return
    const path = pathArgument(sub)
    if (attempt("fanotify_mark", fd, FAN_MARK.ADD | FAN_MARK.EVICTABLE, 0x300, AT.FDCWD, path) < 0) return close(fd)
    // Without EVICTABLE this would make it one that keeps its file.
    const ignoring = FAN_MARK.ADD | FAN_MARK.EVICTABLE | FAN_MARK.IGNORE | FAN_MARK.IGNORED_SURV_MODIFY
    syscall("fanotify_mark", fd, ignoring, 0x200, AT.FDCWD, path)
    const again = renewed(collect(fd))
    expect(told(again)).toEqual(told(fd))
    expect(told(fd).join()).toContain("mflags:640")
    close(fd)
    close(again)
  })
})

describe("refuseFanotify", () => {
  test("takes no group that decides on accesses", () => {
    const fd = group(FAN.CLASS_CONTENT)
    if (fd === undefined) return
    expect(refuseFanotify(openFile(fd), tree)?.what).toContain("FAN_CLASS_CONTENT")
    close(fd)
  })

  test("takes none that is on its way through a socket", () => {
    const fd = group(FAN.NONBLOCK)
    if (fd === undefined) return
    expect(refuseFanotify(openFile(fd), { ...tree, insiders: [] })?.what).toContain("through a socket")
    close(fd)
  })
})

test("mountPath reads CRIU's ways to write it", () => {
  expect(["/dev/shm", "dev/shm", "./dev/shm", "/", "", ".", ".hidden", undefined].map(mountPath)).toEqual([
    ...["/dev/shm", "/dev/shm", "/dev/shm", "/", "/", "/", "/.hidden", "/"],
  ])
})

const fanotify = (more: Partial<fanotify_file_entry>): file_entry => ({
  type: fd_types.FANOTIFY,
  id: 7,
  ffy: { id: 7, flags: 0o4002, fown, faflags: FAN.NONBLOCK, evflags: 0, mark: [], ...more },
})

describe("restoreFanotify", () => {
  test("makes it without a mark", () => {
    expect(plansOf(imagesOf({ 5: fanotify({}) })).open).toEqual([
      "#1 fanotify_init(2, 0) // fanotify 7",
      "#2 dup3(#1, 5, 0) // fd 5",
      "#3 close(#1)",
      "#4 fcntl(5, 4, 0x800) // the flags of fd 5",
    ])
  })
  test("makes one without rights for a process that had none", () => {
    const { open } = plansOf(imagesOf({ 5: fanotify({}) }, { extension: [{ id: 7, fanotify_user: 0 }] }))
    expect(open.slice(0, 3)).toEqual([
      "#1 setresuid(-1, 0xfffe, -1) // fanotify 7",
      "#2 fanotify_init(2, 0) // fanotify 7",
      "#3 setresuid(-1, 0, -1) // fanotify 7",
    ])
  })
  test("lets one block that was told to later", () =>
    expect(plansOf(imagesOf({ 5: fanotify({ flags: 2 }) })).open[1]).toBe("#2 fcntl(#1, 4, 0) // fanotify 7"))
})

describe("notifyChecks", () => {
  const check = (entry: file_entry, extension: stasis_file_entry[] = []): void => {
    for (const one of notifyChecks(new Set([7]), new Set(), { files: new Map([[7, entry]]), ghosts: new Map(), extension })) one()
  }
  const marked = (more: Partial<fanotify_mark_entry>) =>
    fanotify({ mark: [{ id: 0, type: mark_type.INODE, mflags: 0, mask: 1, ignored_mask: 0, s_dev: 1, ...more }] })
  const ie = (path: string) => ({ ie: { i_ino: 1n, f_handle: savedHandle(null, path) } })
  test("takes what is there", () => {
    check(marked(ie("/")))
    check(marked({ type: mark_type.MOUNT, me: { mnt_id: 1, path: "/proc" } }))
  })
  const bad: readonly (readonly [string, file_entry, string])[] = [
    ["a class that decides", fanotify({ faflags: 4 }), "E_IMAGE_UNSUPPORTED"],
    ["a mark without a body", marked({}), "E_IMAGE_CORRUPT"],
    ["a mark of an unknown type", marked({ type: 9 as mark_type, ...ie("/") }), "E_IMAGE_CORRUPT"],
    ["a file that is gone", marked(ie("/no/such/file")), "E_FILE_CHANGED"],
    ["what is no mount", marked({ type: mark_type.MOUNT, me: { mnt_id: 1, path: "/proc/self" } }), "E_FILE_CHANGED"],
  ]
  for (const [what, entry, code] of bad)
    test(`refuses ${what}`, () => expect(() => check(entry)).toThrow(expect.objectContaining({ code })))
  test("refuses a file system that is gone", () => {
    const marks = [{ path: "/no/such", mflags: 0, mask: 1, ignored_mask: 0 }]
    expect(() => check(fanotify({}), [{ id: 7, filesystem_marks: { marks } }])).toThrow(expect.objectContaining({ code: "E_FILE_CHANGED" }))
  })
})
