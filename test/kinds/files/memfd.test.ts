import { describe, expect, test } from "bun:test"
import { syscall } from "../../../ffi/syscall.ts"
import { fd_types, type file_entry } from "../../../proto/gen/fdinfo_pb.ts"
import { segmentsBy } from "../../../src/flow/shared-memory.ts"
import { USUAL } from "../../../src/kinds/files/keeping.ts"
import { collectMemfd, isMemfd, refuseMemfd } from "../../../src/kinds/files/memfd/collect.ts"
import { FileTable } from "../../../src/kinds/files/table.ts"
import type { SharedSegment } from "../../../src/kinds/memory/shared.ts"
import { close, fown, given, imagesOf, openFile, plansOf } from "./plans.ts"

const HUGETLB = 4
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const memfd = (name: string, flags = 0): number => syscall("memfd_create", given(bytes(`${name}\0`)), flags)

/** A dump of one process. */
const scene = (pid: number) => ({ holders: [{ pid, threads: [pid], group: pid }] })

describe("collectMemfd", () => {
  test("gives two open files of one memory one inode, with name, size and content", () => {
    const table = new FileTable<SharedSegment>(segmentsBy(new Map()), USUAL)
    const fd = memfd("it")
    syscall("write", fd, given(bytes("content")), 7)
    const twin = syscall("openat", -100, given(bytes(`/proc/self/fd/${fd}\0`)), 0, 0)
    const other = memfd("it")
    const entries = [fd, twin, other].map((each) => collectMemfd(openFile(each, { target: "/memfd:it (deleted)" }), { table }))
    expect(entries.map(({ inode_id, pos }) => [inode_id, pos])).toEqual([
      [1, 7n],
      [1, 0n],
      [2, 0n],
    ])
    expect(table.segments.map(({ inode: { name, size } }) => [name, size])).toEqual([
      ["it", 7n],
      ["it", 0n],
    ])
    expect(table.segments[0]?.ranges).toHaveLength(1)
    for (const each of [fd, twin, other]) close(each)
  })

  test("takes only what is nobody's file, and refuses huge pages, and what is in flight, by name", () => {
    const fd = memfd("huge", HUGETLB)
    const target = "/memfd:huge (deleted)"
    expect(isMemfd(openFile(fd, { target }))).toBe(true)
    expect(isMemfd(openFile(fd, { target: "/memfd:huge" }))).toBe(false)
    expect(refuseMemfd(openFile(fd, { target }), scene(process.pid))?.what).toBe(`"${target}", a memory file of huge pages (MFD_HUGETLB)`)
    const plain = memfd("plain")
    const found = openFile(plain, { target: "/memfd:plain (deleted)" })
    expect(refuseMemfd(found, scene(process.pid))).toBeUndefined()
    expect(refuseMemfd(found, scene(1))?.what).toBe('"/memfd:plain (deleted)", a memory file that is on its way through a socket')
    for (const each of [fd, plain]) close(each)
  })
})

describe("restoreMemfd", () => {
  const file: file_entry = { type: fd_types.MEMFD, id: 7, memfd: { id: 7, flags: 0o102000, pos: 9n, fown, inode_id: 3 } }
  test("opens the memory anew, with its flags, at its position", () => {
    expect(plansOf(imagesOf({ 5: file }), new Map([[3, 600]])).open).toEqual([
      '#1 openat(-100, "/proc/self/fd/600\\u0000", 0x8500, 0) // "/proc/self/fd/600"',
      "#2 lseek(#1, 9, 0) // the position in memory file 7",
      "#3 dup3(#1, 5, 0) // fd 5",
      "#4 close(#1)",
    ])
  })
  test("refuses memory that memfd.img does not have", () =>
    expect(() => plansOf(imagesOf({ 5: file }))).toThrow("Cannot restore memory file 7: memfd.img has no memory 3"))
})
