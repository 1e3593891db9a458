import { expect, test } from "bun:test"
import { closeSync } from "../../../ffi/fs.ts"
import { syscall } from "../../../ffi/syscall.ts"
import { fd_types, type file_entry } from "../../../proto/gen/fdinfo_pb.ts"
import { CheckpointError } from "../../../src/base/errors.ts"
import { checkFiles } from "../../../src/kinds/files/check.ts"
import { collectPidfd, isPidfd, refusePidfd } from "../../../src/kinds/files/pidfd/collect.ts"
import { groupDeparted, makeDeparted } from "../../../src/kinds/files/pidfd/departed.ts"
import { findShared, inheritLater, makeLater } from "../../../src/kinds/files/restore-shared.ts"
import { statDescriptor } from "../../../src/kinds/files/stat.ts"
import { parseFdInfo, readFdInfo } from "../../../src/proc/fdinfo.ts"
import { readChildren } from "../../../src/proc/tasks.ts"
import { fixedDeadline } from "../../../src/tracee/wait.ts"
import { close, fown, imagesOf, openFile, PLAIN_RESTORE, plansOf } from "./plans.ts"

const NONBLOCK = 0o4000
const THREAD = 0o200

const entryOf = (id: number, nspid: number, flags = 0, ino = id): file_entry => ({
  type: fd_types.PIDFD,
  id,
  pidfd: { id, ino, flags, nspid, fown },
})

const infoOf = (pid: number, nspid: string) => parseFdInfo(`pos:\t0\nflags:\t02\nmnt_id:\t15\nPid:\t${pid}\nNSpid:\t${nspid}\n`)

test("collectPidfd tells who a descriptor leads to, and whether it blocks", () => {
  const fd = syscall("pidfd_open", process.pid, 0)
  const file = openFile(fd, { flags: 2 | NONBLOCK })
  expect(collectPidfd(file)).toEqual({
    id: 7,
    ino: Number(statDescriptor(fd).ino & 0xffffffffn),
    flags: NONBLOCK,
    nspid: process.pid,
    fown,
  })
  expect(collectPidfd({ ...file, info: infoOf(12, "12\t3") }).nspid).toBe(3)
  expect(collectPidfd({ ...file, info: infoOf(-1, "-1") }).nspid).toBe(-1)
  close(fd)
})

test("refusePidfd wants a process of the dump, or one that has gone", () => {
  const found = { ...openFile(0), pid: 5, target: "anon_inode:[pidfd]" }
  const members = new Set([5, 12])
  expect(isPidfd(found)).toBe(true)
  expect(isPidfd({ target: "pidfd:[77]" })).toBe(true)
  expect(isPidfd({ target: "anon_inode:[pidfd]x" })).toBe(false)
  expect(refusePidfd({ ...found, info: infoOf(12, "12") }, { members })).toBeUndefined()
  expect(refusePidfd({ ...found, info: infoOf(-1, "-1") }, { members })).toBeUndefined()
  expect(refusePidfd({ ...found, info: infoOf(13, "13") }, {})).toBeUndefined()
  expect(refusePidfd({ ...found, info: infoOf(13, "13") }, { members })?.what).toContain("task 13, which is not part of the dump")
  expect(refusePidfd({ ...found, info: infoOf(0, "0") }, { members })?.what).toContain("a process of another PID namespace")
  expect(refusePidfd({ ...found, flags: 2 | THREAD, info: infoOf(13, "13") }, { members })?.what).toContain("a descriptor of a thread")
  expect(refusePidfd({ ...found, pid: process.pid, info: infoOf(12, "12") }, { members })?.what).toContain("nobody has received yet")
})

test("restorePidfd opens it by the PID and sets what opening does not", () => {
  expect(plansOf(imagesOf({ 5: entryOf(7, 42, NONBLOCK | THREAD) })).open).toEqual([
    "#1 pidfd_open(0x2a, 0x80) // the descriptor of process 42",
    "#2 dup3(#1, 5, 0) // fd 5",
    "#3 close(#1)",
    "#4 fcntl(5, 4, 0x800) // the flags of fd 5",
  ])
})

test("shared ones are made in the root when all are born, and taken from it by the others", () => {
  const images = imagesOf({ 5: entryOf(7, 42, NONBLOCK), 6: entryOf(8, -1), 9: entryOf(9, 43) })
  const [of5, of6, of9] = images.fdinfos
  if (!of5 || !of6 || !of9) throw new Error("Unreachable: three descriptors were given")
  const tables = [
    { pid: 1, fdinfos: [of5, of6, of9] },
    { pid: 2, fdinfos: [of5] },
  ]
  // 8 is in one table alone, but its process has gone: it is made before the tree.
  expect(findShared(tables, { ...images, skQueues: new Map() }).ids).toEqual([7, 8])
  const numbers = {
    shared: new Map([
      [7, 600],
      [8, 601],
    ]),
    finisher: new Map([
      [7, 1],
      [8, 1],
    ]),
    pids: new Set([1, 2, 42]),
  }
  expect(makeLater(images, numbers, PLAIN_RESTORE.made, { ...PLAIN_RESTORE.self, pid: 1 }).describe()).toEqual([
    "#0 pidfd_open(0x2a, 0) // the descriptor of process 42",
    "#1 dup3(#0, 0x258, 0) // fd 600",
    "#2 close(#0)",
    "#3 fcntl(0x258, 4, 0x800) // the flags of fd 600",
  ])
  expect(inheritLater(images, numbers, 1).describe()).toEqual([
    "#0 pidfd_open(1, 0) // process 1",
    "#1 pidfd_getfd(#0, 0x258, 0) // descriptor 600 of process 1",
    "#2 dup3(#1, 0x258, 0)",
    "#3 close(#1)",
    "#4 close(#0)",
  ])
})

test("makeDeparted makes descriptors of one process that has gone, and leaves no child", () => {
  const files = [entryOf(1, -1, 0, 70), entryOf(2, 42), entryOf(3, -1, NONBLOCK, 70), entryOf(4, -1, 0, 71)]
  const groups = groupDeparted(new Map(files.map((file) => [file.id, file])))
  expect(groups.map((group) => group.map(({ id }) => id))).toEqual([[1, 3], [4]])
  const before = readChildren(process.pid)
  const made = makeDeparted(groups[0] ?? [], fixedDeadline(10))
  const [first = -1, second = -1] = [made.get(1), made.get(3)]
  for (const fd of [first, second]) expect(readFdInfo(process.pid, fd).dec("Pid")).toBe(-1n)
  expect(statDescriptor(first).ino).toBe(statDescriptor(second).ino)
  expect([first, second].map((fd) => readFdInfo(process.pid, fd).flags & NONBLOCK)).toEqual([0, NONBLOCK])
  expect(readChildren(process.pid).filter((child) => !before.includes(child))).toEqual([])
  for (const fd of made.values()) closeSync(fd)
})

test("images that lead to a process which they do not have are corrupt", () => {
  const options = { fileChanged: "fail", fileValidation: "filesize", skipRwxCheck: false, buildIdOf: () => [], shellJob: false } as never
  const check = (nspid: number) => () => checkFiles([imagesOf({ 5: entryOf(7, nspid) })], new Set([42]), options)
  expect(check(42)).not.toThrow()
  expect(check(-1)).not.toThrow()
  for (const nspid of [43, 0, -2]) expect(check(nspid)).toThrow(CheckpointError)
  expect(check(43)).toThrow("Cannot restore process descriptor 7 of files.img")
})
