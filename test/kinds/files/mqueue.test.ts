import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { attempt, pathArgument, syscall } from "../../../ffi/syscall.ts"
import { fd_types, type file_entry } from "../../../proto/gen/fdinfo_pb.ts"
import { stasis_file_entrySchema } from "../../../proto/gen/stasis_pb.ts"
import { collectQueue, refuseQueue } from "../../../src/kinds/files/mqueue/collect.ts"
import { isHidden, isQueue, lookUpQueue } from "../../../src/kinds/files/mqueue/queue.ts"
import { checkQueue } from "../../../src/kinds/files/mqueue/restore.ts"
import { fileKinds } from "../../../src/kinds/files/registry.ts"
import { throughBytes } from "../fixture.ts"
import { fown, imagesOf, openFile, ownCollecting, plansOf } from "./plans.ts"

const name = `stasis test ${process.pid}`
const target = `/${name}`
const insiders = [{ pid: process.pid, threads: [process.pid], group: 1 }]
let fd = -1
beforeAll(() => {
  fd = syscall("mq_open", pathArgument(name), 0o100 | 0o200 | 2, 0o640, 0)
})
afterAll(() => {
  attempt("close", fd)
  attempt("mq_unlink", pathArgument(name))
})

describe("a POSIX message queue", () => {
  test("is told from a file", () => {
    const queue = openFile(fd, { target })
    expect(isQueue(queue) && isHidden(queue)).toBe(true)
    expect(isQueue({ ...queue, fd: 0 })).toBe(false)
    expect(isHidden({ target: "/dev/mqueue/x" })).toBe(false)
    expect(fileKinds.find(({ matches }) => matches(queue))?.type).toBe(fd_types.REG)
    expect(lookUpQueue(target)?.ino).toBe(queue.stat.ino)
    expect(lookUpQueue("/no queue of this name")).toBeNull()
  })

  test("becomes an entry by its name, and what tells it from another", () => {
    const queue = openFile(fd, { target })
    const collecting = ownCollecting()
    expect(collectQueue(queue, collecting)).toEqual({ id: 7, flags: 2, pos: 0n, fown, name: target, mode: 0o100640, build_id: [] })
    expect(collecting.extension.map((facts) => throughBytes(stasis_file_entrySchema, facts))).toEqual([
      { id: 7, queue_inode: queue.stat.ino },
    ])
  })

  test("is refused without its name, and where a process is to be told of messages", () => {
    const queue = openFile(fd, { target })
    expect(refuseQueue(queue, { insiders })).toBeUndefined()
    expect(refuseQueue({ ...queue, stat: { ...queue.stat, nlink: 0 } }, { insiders })?.what).toContain("that was unlinked")
    expect(refuseQueue({ ...queue, target: "/another name" }, { insiders })?.what).toContain("of another IPC namespace")
  })

  test("is opened by its name, and must be there", () => {
    const reg = { id: 7, flags: 0o4000, pos: 0n, fown, name: target, mode: 0o100640, build_id: [] }
    const entry: file_entry = { type: fd_types.REG, id: 7, reg }
    const images = imagesOf({ 5: entry }, { extension: [{ id: 7, queue_inode: 9n }] })
    expect(plansOf(images).open).toEqual([
      `#1 mq_open("${name}\\u0000", 0x800, 0, 0) // message queue "${target}"`,
      "#2 dup3(#1, 5, 0) // fd 5",
      "#3 close(#1)",
    ])
    const { ino } = openFile(fd).stat
    checkQueue(reg, ino)
    expect(() => checkQueue(reg, ino + 1n)).toThrow("another queue has its name")
    expect(() => checkQueue({ ...reg, name: "/no queue of this name" }, ino)).toThrow("it does not exist")
    expect(() => checkQueue({ ...reg, name: "/a/b" }, ino)).toThrow("is no name of a message queue")
  })
})
