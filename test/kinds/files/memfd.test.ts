import { describe, expect, test } from "bun:test"
import { syscall } from "../../../ffi/syscall.ts"
import { fd_types, type file_entry } from "../../../proto/gen/fdinfo_pb.ts"
import { sharedMemoryBy } from "../../../src/flow/dump/shared-memory.ts"
import { USUAL } from "../../../src/kinds/files/keeping.ts"
import { collectMemfd, isMemfd, refuseMemfd } from "../../../src/kinds/files/memfd/collect.ts"
import { FileTable } from "../../../src/kinds/files/table.ts"
import type { SharedMemory } from "../../../src/kinds/memory/shared.ts"
import { close, fown, given, imagesOf, openFile, plansOf } from "./plans.ts"

const HUGETLB = 4
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const memfd = (name: string, flags = 0): number => syscall("memfd_create", given(bytes(`${name}\0`)), flags)

/** A dump of one process. */
const scene = (pid: number) => ({ insiders: [{ pid, threads: [pid], group: pid }] })

describe("collectMemfd", () => {
  test("gives two open files of one memory one inode, with name, size and content", () => {
    const table = new FileTable<SharedMemory>(sharedMemoryBy(new Map()), USUAL)
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
    expect(table.memfds.map(({ inode: { name, size } }) => [name, size])).toEqual([
      ["it", 7n],
      ["it", 0n],
    ])
    expect(table.memfds[0]?.ranges).toHaveLength(1)
    for (const each of [fd, twin, other]) close(each)
  })

  test("one of huge pages has their size, though no page", () => {
    const table = new FileTable<SharedMemory>(sharedMemoryBy(new Map()), USUAL)
    const fd = memfd("huge", HUGETLB | (21 << 26))
    collectMemfd(openFile(fd, { target: "/memfd:huge (deleted)" }), { table })
    expect(table.memfds[0]).toMatchObject({ inode: { name: "huge", size: 0n, hugetlb_flag: HUGETLB | (21 << 26) }, ranges: [] })
    close(fd)
  })

  test("takes only what is nobody's file, and refuses what is in flight by name", () => {
    const plain = memfd("plain")
    const found = openFile(plain, { target: "/memfd:plain (deleted)" })
    expect(isMemfd(found)).toBe(true)
    expect(isMemfd(openFile(plain, { target: "/memfd:plain" }))).toBe(false)
    expect(refuseMemfd(found, scene(process.pid))).toBeUndefined()
    expect(refuseMemfd(found, scene(1))?.what).toBe('"/memfd:plain (deleted)", a memory file that is on its way through a socket')
    close(plain)
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
  test("of an executable that can be written takes the very open file that it was made with", () => {
    const made = { ...file, memfd: { ...file.memfd!, flags: 0o100002 } }
    expect(plansOf(imagesOf({ 5: made }), new Map([[3, 600]]), new Set([3])).open).toEqual([
      "#1 dup(0x258) // memory file 7",
      "#2 fcntl(#1, 4, 0x8002) // the flags of memory file 7",
      "#3 lseek(#1, 9, 0) // the position in memory file 7",
      "#4 dup3(#1, 5, 0) // fd 5",
      "#5 close(#1)",
    ])
    expect(plansOf(imagesOf({ 5: file }), new Map([[3, 600]]), new Set([3])).open[0]).toContain("openat")
  })
  test("refuses memory that memfd.img does not have", () =>
    expect(() => plansOf(imagesOf({ 5: file }))).toThrow("Cannot restore memory file 7: memfd.img has no memory 3"))
})
