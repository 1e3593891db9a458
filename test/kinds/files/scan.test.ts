import { afterEach, expect, test } from "bun:test"
import { closeSync, fchmodSync, linkSync, openSync, readSync, renameSync, unlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { EPOLL_CTL_ADD } from "../../../ffi/abi/epoll.ts"
import { F, F_OWNER, fOwnerEx, O } from "../../../ffi/abi/file.ts"
import { encode } from "../../../ffi/layout.ts"
import { INFO_ROOM } from "../../../ffi/stub/record.ts"
import { allocate, syscall } from "../../../ffi/syscall.ts"
import type { Found } from "../../../src/kinds/files/collecting.ts"
import { borrowDescriptors } from "../../../src/kinds/files/copies.ts"
import { leadsTo } from "../../../src/kinds/files/name.ts"
import { beginScan } from "../../../src/kinds/files/scan.ts"
import { scanAll } from "../../../src/kinds/files/scan-all.ts"
import { runLooks } from "../../../src/kinds/files/sight.ts"
import { readDescriptorsIfAlive } from "../../../src/proc/descriptors.ts"
import { readFdInfo } from "../../../src/proc/fdinfo.ts"
import { scratch } from "../../harness/folders.ts"

const F_DUPFD_CLOEXEC = 1030
const memory = allocate(4096)
const opened: number[] = []
const keep = (fd: number): number => {
  opened.push(fd)
  return fd
}
const open = (path: string, flags = O.RDWR): number => keep(openSync(path, flags))
/** A file of its own, open. */
function file(name = "file"): { path: string; fd: number } {
  const path = join(scratch("scan"), name)
  writeFileSync(path, "0123456789")
  return { path, fd: open(path) }
}

afterEach(() => {
  for (const fd of opened.splice(0)) closeSync(fd)
})

/** One look at this process. */
function look(): Map<number, Found> {
  using scope = new DisposableStack()
  const all = scanAll([{ pid: process.pid, threads: [process.pid], group: 0 }], scope, false).get(process.pid)?.found ?? []
  return new Map(all.map((found) => [found.fd, found]))
}

test("a look tells of each descriptor what /proc and the file system tell", () => {
  const { fd, path } = file()
  readSync(fd, new Uint8Array(3))
  const found = look()
  const expected = (readDescriptorsIfAlive(process.pid) ?? []).filter(({ fd }) => found.has(fd))
  expect(expected.map(({ fd }) => found.get(fd)?.target)).toEqual(expected.map(({ target }) => target))
  expect(found.get(fd)).toMatchObject({ pid: process.pid, fd, target: path, cloexec: true, stat: { size: 10n, nlink: 1 } })
  expect(found.get(fd)?.info.pos).toBe(3n)
  expect(found.get(fd)?.info.mntId).toBe(readFdInfo(process.pid, fd).mntId)
})

test("what is as it was is the same object, and its name is known to lead to it", () => {
  const { fd, path } = file()
  look()
  const [first, second] = [look().get(fd), look().get(fd)]
  expect(second).toBe(first!)
  expect(leadsTo(path, second!.stat)).toBe(true)
})

test("any change of a descriptor, its open file or its file makes another object", () => {
  const { fd, path } = file()
  const change = (what: string, step: () => void): Found => {
    look()
    const before = look().get(fd)
    step()
    const after = look().get(fd)
    expect(after === before, what).toBe(false)
    return after!
  }
  expect(change("offset", () => readSync(fd, new Uint8Array(4))).info.pos).toBe(4n)
  expect(change("flags", () => syscall("fcntl", fd, F.SETFL, O.APPEND)).flags & O.APPEND).toBe(O.APPEND)
  expect(change("cloexec", () => syscall("fcntl", fd, 2, 0)).cloexec).toBe(false)
  expect(change("mode", () => fchmodSync(fd, 0o604)).stat.mode & 0o777).toBe(0o604)
  expect(change("signal", () => syscall("fcntl", fd, F.SETSIG, 34)).owner.signum).toBe(34)
  memory.bytes.set(encode(fOwnerEx, { type: F_OWNER.PID, pid: process.pid }))
  expect(change("owner", () => syscall("fcntl", fd, F.SETOWN_EX, memory.address)).owner).toMatchObject({ pid: process.pid, signum: 34 })
  expect(change("another name", () => linkSync(path, `${path}-2`)).stat.nlink).toBe(2)
  expect(change("renamed", () => renameSync(path, `${path}-3`)).target).toBe(`${path}-3`)
  expect(change("lock", () => syscall("flock", fd, 2)).info.lines).toHaveLength(1)
  writeFileSync(`${path}-4`, "")
  const replaced = change("replaced", () => renameSync(`${path}-4`, `${path}-3`))
  expect(replaced.target).toBe(`${path}-3 (deleted)`)
  expect(leadsTo(`${path}-3`, replaced.stat)).toBe(false)
})

test("a name that leads to another file is no reason to read the link less often", () => {
  const { fd, path } = file()
  look()
  look()
  unlinkSync(path)
  expect(look().get(fd)).toMatchObject({ target: `${path} (deleted)`, stat: { nlink: 0 } })
})

test("a number that stands for another file tells of that", () => {
  const other = file("other")
  const fd = keep(syscall("fcntl", file("one").fd, F_DUPFD_CLOEXEC, 500))
  look()
  look()
  syscall("dup3", other.fd, fd, O.CLOEXEC)
  expect(look().get(fd)).toMatchObject({ target: other.path, info: { flags: readFdInfo(process.pid, fd).flags } })
  closeSync(fd)
  opened.splice(opened.indexOf(fd), 1)
  expect(look().has(fd)).toBe(false)
  keep(syscall("fcntl", open("/dev/null"), F_DUPFD_CLOEXEC, fd))
  expect(look().get(fd)?.target).toBe("/dev/null")
})

test("a look that was broken off leaves no object that is out of date", () => {
  const { fd } = file()
  look()
  look()
  readSync(fd, new Uint8Array(5))
  {
    using copies = borrowDescriptors(process.pid)
    using scanning = beginScan(process.pid, copies)
    runLooks([scanning])
    // Nothing is made of it.
  }
  expect(look().get(fd)?.info.pos).toBe(5n)
})

test("more descriptors than one thread looks at, and fdinfo that is longer than the room", () => {
  const poll = keep(syscall("epoll_create1", O.CLOEXEC))
  const first = open("/dev/null")
  const { fd } = file()
  for (let number = 0; number < 300; number++) {
    const copy = keep(syscall("fcntl", number % 2 ? fd : first, F_DUPFD_CLOEXEC, 1000 + number))
    if (number % 2) continue
    const event = keep(syscall("eventfd2", number, O.CLOEXEC))
    memory.view.setUint32(0, 1, true)
    memory.view.setBigUint64(4, BigInt(copy), true)
    syscall("epoll_ctl", poll, EPOLL_CTL_ADD, event, memory.address)
  }
  for (let again = 0; again < 3; again++) {
    const found = look()
    for (let number = 0; number < 300; number++)
      expect(found.get(1000 + number)?.stat.ino).toBe(found.get(number % 2 ? fd : first)!.stat.ino)
    expect(found.get(poll)?.info.lines).toHaveLength(150)
  }
  expect(readFdInfo(process.pid, poll).lines.join("\n").length).toBeGreaterThan(INFO_ROOM)
})

test("locks at the end of fdinfo that is longer than the room are those of now", () => {
  const { fd, path } = file()
  const F_OFD_SETLK = 37
  const lock = (type: number, start: number): void => {
    memory.bytes.fill(0, 0, 32)
    memory.view.setInt16(0, type, true)
    memory.view.setBigInt64(8, BigInt(start), true)
    memory.view.setBigInt64(16, 5n, true)
    syscall("fcntl", fd, F_OFD_SETLK, memory.address)
  }
  for (let number = 0; number < 30; number++) lock(1, number * 10)
  look()
  const before = look().get(fd)
  lock(2, 290)
  lock(1, 390)
  const after = look().get(fd)
  expect(before?.info.lines.at(-1)).toContain("290 294")
  expect(after).toMatchObject({ target: path })
  expect(after?.info.lines.at(-1)).toContain("390 394")
})
