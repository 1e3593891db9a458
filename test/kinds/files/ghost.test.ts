import { describe, expect, test } from "bun:test"
import {
  type BigIntStats,
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs"
import { join } from "node:path"
import { O, S_IF } from "../../../ffi/abi/file.ts"
import { fd_types, type file_entry } from "../../../proto/gen/fdinfo_pb.ts"
import { remap_type } from "../../../proto/gen/remap-file-path_pb.ts"
import type { CheckpointError } from "../../../src/base/errors.ts"
import { type GhostEntry, readGhost } from "../../../src/image/streamed.ts"
import { GhostTable } from "../../../src/kinds/files/ghost/collect.ts"
import { makeGhosts } from "../../../src/kinds/files/ghost/make.ts"
import { planGhosts, type Wanted } from "../../../src/kinds/files/ghost/plan.ts"
import { savedGhosts } from "../../../src/kinds/files/ghost/saved.ts"
import { USUAL } from "../../../src/kinds/files/keeping.ts"
import { wayBackTo } from "../../../src/kinds/files/name.ts"
import { statPath } from "../../../src/kinds/files/stat.ts"
import { failureOf } from "../../harness/failure.ts"
import { scratch } from "../../harness/folders.ts"
import { throughImage } from "./holder.ts"

const fown = { uid: 0, euid: 0, signum: 0, pid_type: 0, pid: 0 }
const reg = (id: number, name: string, flags = 2): file_entry => ({
  type: fd_types.REG,
  id,
  reg: { id, flags, pos: 0n, fown, name, mode: 0o100600, build_id: [] },
})
const byId = (...files: file_entry[]) => new Map(files.map((file) => [file.id, file]))

const wanted = (number: number, name: string, mode: number = S_IF.REG, flags = 2): Wanted => ({
  ghost: { number, entry: { uid: 0, gid: 0, mode }, size: 0n, image: "", pieces: [] },
  name,
  flags,
})

describe("planGhosts", () => {
  const there = new Set(["/tmp", "/tmp/taken"])
  const plan = (...list: Wanted[]) => planGhosts(list, 99, (path) => there.has(path))

  test("a file is made aside and gets its name, if nobody has that", () => {
    const { folders, makings, names } = plan(wanted(1, "/tmp/free"), wanted(2, "/tmp/taken"), wanted(1, "/tmp/free"))
    expect(folders).toEqual([])
    expect(makings.map(({ name, aside }) => [name, aside])).toEqual([
      ["/tmp/free", "/tmp/.free.stasis-99-1"],
      ["/tmp/taken", "/tmp/.taken.stasis-99-2"],
    ])
    // A guard must not remove what belongs to somebody else.
    expect(names.map(([path]) => path)).toEqual(["/tmp/.free.stasis-99-1", "/tmp/.taken.stasis-99-2", "/tmp/free"])
  })

  test("folders that are gone are made first, outer ones before inner ones, and serve as themselves", () => {
    const { folders, makings, names } = plan(wanted(1, "/tmp/a/b/file"), wanted(2, "/tmp/a", S_IF.DIR), wanted(3, "/tmp/a", S_IF.DIR))
    expect(folders).toEqual(["/tmp/a", "/tmp/a/b"])
    expect(makings.map(({ isThere }) => isThere)).toEqual([false, true, false])
    expect(names.slice(-2)).toEqual([
      ["/tmp/a/b", true],
      ["/tmp/a", true],
    ])
  })

  test("a file that never had a name gets none: it is open by O_TMPFILE, or named by its inode", () => {
    const named = (base: string, ino: bigint, mode: number = S_IF.REG, flags = 2): Wanted => {
      const one = wanted(1, `/tmp/${base}`, mode, flags)
      return { ...one, ghost: { ...one.ghost, entry: { ...one.ghost.entry, ino } } }
    }
    const folders = (...list: Wanted[]) => plan(...list).makings.map(({ unnamed }) => unnamed)
    expect(folders(named("#7", 7n))).toEqual(["/tmp"])
    expect(folders(named("#7", 8n, S_IF.REG, 2 | O.TMPFILE))).toEqual(["/tmp"])
    for (const other of [named("#7", 8n), named("7", 7n), named("#7", 7n, S_IF.DIR)]) expect(folders(other)).toEqual([undefined])
  })

  test("names stay within 255 bytes", () => {
    const [making] = plan(wanted(12, `/tmp/${"ä".repeat(127)}`)).makings
    expect(Buffer.byteLength(making?.aside ?? "") - "/tmp/".length).toBeLessThanOrEqual(255)
    expect(making?.aside).toEndWith(".stasis-99-12")
  })
})

describe("a deleted file", () => {
  /** Opens a new file, with data before and behind a hole, and removes its name. */
  function deletedFile(folder: string, name: string, size: number): number {
    const fd = openSync(join(folder, name), "wx+", 0o640)
    if (size > 0) writeSync(fd, "begin", 0)
    if (size > 8192) writeSync(fd, "end", size - 3)
    unlinkSync(join(folder, name))
    return fd
  }

  for (const size of [0, 5, 40000])
    test(`of ${size} bytes goes through its image, and is made again without a name`, () => {
      const folder = scratch("ghost")
      const fd = deletedFile(folder, "file", size)
      const link = `/proc/${process.pid}/fd/${fd}`
      const stat = statPath(link, true)
      const wayBack = stat && wayBackTo(link, readlinkSync(link), stat, USUAL)
      expect(wayBack).toEqual({ name: join(folder, "file"), way: "ghost" })
      const table = new GhostTable()
      for (const id of [4, 7]) table.add(id, link, stat!)
      expect(table.remaps).toEqual([4, 7].map((orig_id) => ({ orig_id, remap_id: 1, remap_type: remap_type.GHOST })))
      const parts = throughImage(table.files.get(1) ?? [])
      const bytes = parts.entries.reduce((sum, { length }) => sum + length, 0)
      expect(bytes).toBeLessThan(size > 12288 ? 20000 : size + 1)
      const files = byId(reg(4, join(folder, "file")), reg(7, join(folder, "file")))
      const ghosts = savedGhosts(table.remaps, files, () => parts)
      const made = makeGhosts([...ghosts.values()].map((ghost) => ({ ghost, name: join(folder, "file"), flags: 2 })))
      expect([...made.keys()]).toEqual([1])
      const again = `/proc/self/fd/${made.get(1)}`
      const [was, is] = [fd, made.get(1)!].map((open) => fstatSync(open, { bigint: true })) as [BigIntStats, BigIntStats]
      expect([is.size, is.mode, is.uid, is.nlink, is.mtimeNs]).toEqual([was.size, was.mode, was.uid, 0n, (was.mtimeNs / 1000n) * 1000n])
      expect(readFileSync(again)).toEqual(readFileSync(link))
      expect(Number(is.blocks)).toBeLessThanOrEqual(Number(was.blocks))
      expect(readlinkSync(again)).toBe(`${join(folder, "file")} (deleted)`)
      expect(readdirSync(folder)).toEqual([])
      for (const open of [fd, ...made.values()]) closeSync(open)
    })

  test("is not read while its owners run", () => {
    const fd = deletedFile(scratch("ghost"), "file", 40000)
    const link = `/proc/${process.pid}/fd/${fd}`
    const table = new GhostTable(false)
    table.add(4, link, statPath(link, true)!)
    expect(table.remaps).toEqual([{ orig_id: 4, remap_id: 1, remap_type: remap_type.GHOST }])
    expect([...table.files]).toEqual([[1, []]])
    closeSync(fd)
  })

  test("whose name was taken is made beside it, and has its own name again when it is dumped", () => {
    const folder = scratch("ghost")
    const path = join(folder, "file")
    writeFileSync(path, "other")
    const made = makeGhosts([wanted(3, path, S_IF.REG | 0o600)])
    const link = `/proc/${process.pid}/fd/${made.get(3)}`
    expect(readlinkSync(link)).toBe(`${folder}/.file.stasis-${process.pid}-3 (deleted)`)
    expect(wayBackTo(link, readlinkSync(link), statPath(link, true)!, USUAL)).toEqual({ name: path, way: "ghost" })
    expect(readFileSync(path, "utf8")).toBe("other")
    for (const fd of made.values()) closeSync(fd)
  })

  test("that cannot be made leaves no folder behind", () => {
    const folder = scratch("ghost")
    mkdirSync(join(folder, "file"))
    expect(() => makeGhosts([wanted(1, join(folder, "gone/file")), wanted(2, `${folder}/${"n".repeat(300)}/file`)])).toThrow("ENAMETOOLONG")
    expect(readdirSync(folder)).toEqual(["file"])
    rmdirSync(join(folder, "file"))
  })
})

test("a ghost image that is cut short, or is none, is told with the place", () => {
  const part = { length: 20_000, copyTo() {} }
  const { path, entries } = throughImage([
    { message: { uid: 0, gid: 0, mode: S_IF.REG, chunks: true, size: 90_000n }, payload: new Uint8Array(0) },
    { message: { off: 4096n, len: 20_000n }, payload: part },
    { message: { off: 40_960n, len: 20_000n }, payload: part },
  ])
  expect(entries.map(({ length }) => length)).toEqual([0, 20_000, 20_000])
  const [, first, second] = entries
  const cut = (length: number) => {
    truncateSync(path, length)
    return (failureOf(() => readGhost(path)) as CheckpointError).found
  }
  expect(cut((second?.at ?? 0) + 5)).toBe(`the payload of entry 2 at byte ${second?.at} should have 20000 bytes, 5 are left`)
  const end = (first?.at ?? 0) + 20_000
  expect(cut(end + 6)).toMatch(/^entry 2 \(ghost_chunk_entry\) at byte \d+ should have \d+ bytes, 2 are left$/)
  expect(cut(end + 3)).toBe(`the size of entry 2 at byte ${end} is cut short: 3 of 4 bytes`)
  writeFileSync(path, "x".repeat(100))
  expect(failureOf(() => readGhost(path))).toMatchObject({ code: "E_IMAGE_VERSION" })
  unlinkSync(path)
  expect(failureOf(() => readGhost(path))).toMatchObject({ code: "E_IMAGE_MISSING" })
  // Who opened it would wait.
  Bun.spawnSync(["mkfifo", path])
  expect(failureOf(() => readGhost(path))).toMatchObject({ code: "E_IMAGE_CORRUPT", found: "it is a FIFO, a socket or a device" })
})

test("savedGhosts refuses what does not fit together", () => {
  const remap = (orig_id: number, kind: remap_type, remap_id = 1) => ({ orig_id, remap_id, remap_type: kind })
  const head = { message: { uid: 0, gid: 0, mode: S_IF.REG, chunks: true, size: 10n }, at: 40, length: 0 }
  const piece = { message: { off: 8n, len: 4n }, at: 60, length: 4 }
  const image = (...entries: GhostEntry[]) => ({ path: "ghost-file-1.img", entries })
  const files = byId(reg(4, "/x"))
  expect(() => savedGhosts([remap(5, remap_type.GHOST)], files, () => image(head))).toThrow("no such regular file")
  expect(() => savedGhosts([remap(4, remap_type.GHOST)], files, () => image())).toThrow("ghost-file-1.img is missing")
  expect(() => savedGhosts([remap(4, remap_type.GHOST)], files, () => image(head, piece))).toThrow("data past its size")
  const ofProcess = [remap(4, remap_type.PROCFS, 33)]
  expect(savedGhosts(ofProcess, files, () => image()).size).toBe(0)
  expect(() => savedGhosts([remap(4, remap_type.LINKED, 9)], files, () => image())).toThrow("name of file 9, which files.img does not have")
  const linked = savedGhosts([remap(4, remap_type.LINKED, 9)], byId(reg(4, "/x"), reg(9, "/link_remap.9")), () => image())
  expect(linked.get(4)?.source).toBe("/link_remap.9")
  // Images before remap_type have a bit in its place.
  expect(
    savedGhosts([{ orig_id: 4, remap_id: 2 ** 31 + 9 }], files, (number) => (number === 9 ? image(head) : image())).get(4)?.number,
  ).toBe(9)
})
