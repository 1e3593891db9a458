import { describe, expect, test } from "bun:test"
import { existsSync, mkdirSync, symlinkSync, truncateSync, unlinkSync, writeFileSync, writeSync } from "node:fs"
import { join } from "node:path"
import type { inventory_entry } from "../../proto/gen/inventory_pb.ts"
import { type PagemapKind, pagemapRuns } from "../../src/image/pagemap.ts"
import { openImages } from "../../src/image/set.ts"
import { beginImages } from "../../src/image/transaction.ts"
import { encodeImage } from "../../src/image/write.ts"
import { failureOf } from "../harness/failure.ts"
import { scopedFolder } from "../harness/folders.ts"
import { inventory } from "./sample.ts"

const PARENT = 1
const LAZY = 2
const PRESENT = 4
const run = (vaddr: bigint, pages: bigint, flags = PRESENT) => ({ vaddr, compat_nr_pages: 0, nr_pages: pages, flags })
type Run = ReturnType<typeof run>

describe("openImages", () => {
  test("refuses a directory without inventory.img", () => {
    using dir = scopedFolder()
    expect(failureOf(() => openImages(dir.path))).toMatchObject({ code: "E_IMAGE_MISSING" })
    expect(failureOf(() => openImages(join(dir.path, "no")))).toMatchObject({
      code: "E_IMAGE_MISSING",
      found: "there is no such directory",
    })
  })

  const unfit: readonly (readonly [string, Partial<inventory_entry>, string])[] = [
    ["a pre-dump", { img_version: 0 }, "E_IMAGE_VERSION"],
    ["a version to come", { img_version: 3 }, "E_IMAGE_VERSION"],
    ["a set without fdinfo_per_id", { fdinfo_per_id: false }, "E_IMAGE_VERSION"],
    ["a set without root_ids", { root_ids: undefined }, "E_IMAGE_VERSION"],
    ["a set of cgroup set 0", { root_cg_set: 0 }, "E_IMAGE_CORRUPT"],
  ]
  for (const [name, change, code] of unfit) {
    test(`refuses ${name}`, () => {
      using dir = scopedFolder()
      writeFileSync(join(dir.path, "inventory.img"), encodeImage("inventory", [{ ...inventory, ...change }]))
      expect(failureOf(() => openImages(dir.path))).toMatchObject({ code, status: 5 })
    })
  }

  test("reads version-1 sets, whose images have one word", () => {
    using dir = scopedFolder()
    const tree = { pid: 7, ppid: 0, pgid: 7, sid: 7, threads: [7] }
    writeFileSync(join(dir.path, "inventory.img"), encodeImage("inventory", [{ ...inventory, img_version: 1 }]))
    writeFileSync(join(dir.path, "pstree.img"), encodeImage("pstree", [tree]).subarray(4))
    expect(openImages(dir.path).one("pstree")).toEqual(tree)
    writeFileSync(join(dir.path, "pstree.img"), encodeImage("pstree", [tree]))
    expect(failureOf(() => openImages(dir.path).one("pstree"))).toMatchObject({ code: "E_IMAGE_VERSION" })
  })

  test("refuses what is no file, and waits for nobody", () => {
    using dir = scopedFolder()
    writeFileSync(join(dir.path, "inventory.img"), encodeImage("inventory", [inventory]))
    Bun.spawnSync(["mkfifo", join(dir.path, "pstree.img")])
    symlinkSync("/dev/zero", join(dir.path, "files.img"))
    const set = openImages(dir.path)
    for (const read of [() => set.one("pstree"), () => set.all("files")])
      expect(failureOf(read)).toMatchObject({ code: "E_IMAGE_CORRUPT", found: "it is a FIFO, a socket or a device" })
  })

  test("tells absent from empty only where it must", () => {
    using dir = scopedFolder()
    writeFileSync(join(dir.path, "inventory.img"), encodeImage("inventory", [inventory]))
    writeFileSync(join(dir.path, "files.img"), encodeImage("files", []))
    const set = openImages(dir.path)
    expect(set.optional("seccomp")).toEqual([])
    expect(set.withPayloads("pipes-data")).toEqual([])
    expect(set.all("files")).toEqual([])
    expect(set.has("files")).toBe(true)
    expect(failureOf(() => set.one("files"))).toMatchObject({ code: "E_IMAGE_CORRUPT", found: "it has no entry" })
    const error = failureOf(() => set.one("core", 12))
    expect(error).toMatchObject({ code: "E_IMAGE_MISSING", message: "Cannot read image core-12.img: there is no such file" })
    expect(failureOf(() => set.pagesPath(1))).toMatchObject({ code: "E_IMAGE_MISSING" })
    expect(set.files().map(({ name, size }) => `${name} ${size > 0}`)).toEqual(["files.img true", "inventory.img true"])
    expect([set.bytesOf("files"), set.bytesOf("core", 12)]).toEqual([set.files()[0]?.size ?? -1, 0])
  })
})

/** Writes a set with one pagemap; the first byte of each stored page is its number in the file. */
function makeSet(directory: string, kind: PagemapKind, runs: readonly Run[], head: inventory_entry = inventory): void {
  using tx = beginImages(directory, { sync: false })
  tx.write("inventory", undefined, [head])
  tx.write(kind, 7, [{ pages_id: 1 }, ...runs])
  const pages = runs.reduce((sum, { flags, nr_pages }) => (flags & PRESENT ? sum + Number(nr_pages) : sum), 0)
  const bytes = new Uint8Array(pages * 4096)
  for (let page = 0; page < pages; page++) bytes[page * 4096] = page
  if (pages > 0) tx.pages(1).fill((fd) => writeSync(fd, bytes))
  tx.commit()
}

/** Bypasses the transaction, which would refuse what a reader must refuse too. */
function writeRuns(directory: string, runs: readonly object[], pages: number): void {
  writeFileSync(join(directory, "inventory.img"), encodeImage("inventory", [inventory]))
  writeFileSync(join(directory, "pagemap-7.img"), encodeImage("pagemap", [{ pages_id: 1 }, ...(runs as Run[])]))
  writeFileSync(join(directory, "pages-1.img"), new Uint8Array(pages * 4096))
}
const runsOf = (directory: string) => [...pagemapRuns(openImages(directory), "pagemap", 7)]

describe("pagemapRuns", () => {
  test("gives offsets that count stored pages only", () => {
    using dir = scopedFolder()
    makeSet(dir.path, "pagemap-shmem", [run(0n, 2n), run(0x8000n, 1n, PRESENT | LAZY)])
    const path = join(dir.path, "pages-1.img")
    expect([...pagemapRuns(openImages(dir.path), "pagemap-shmem", 7)]).toEqual([
      { vaddr: 0n, pages: 2, offset: 0n, flags: PRESENT, path },
      { vaddr: 0x8000n, pages: 1, offset: 8192n, flags: PRESENT | LAZY, path },
    ])
  })

  test("follows parents to the set that has the page, through two generations", () => {
    using dir = scopedFolder()
    const [first, second, third] = ["1", "2", "3"].map((name) => join(dir.path, name)) as [string, string, string]
    // The first generation is a pre-dump: pages only.
    makeSet(first, "pagemap", [run(0x1000n, 8n), run(0x20000n, 1n)], { img_version: 0 })
    makeSet(second, "pagemap", [run(0x1000n, 2n, PARENT), run(0x3000n, 1n), run(0x4000n, 5n, PARENT)])
    symlinkSync("../1", join(second, "parent"))
    makeSet(third, "pagemap", [run(0x0n, 1n), run(0x2000n, 3n, PARENT), run(0x20000n, 1n)])
    symlinkSync("../2", join(third, "parent"))
    const paths = runsOf(third).map(({ vaddr, pages, offset, path }) => [vaddr, pages, offset, path.slice(dir.path.length)])
    expect<unknown>(paths).toEqual([
      [0x0n, 1, 0n, "/3/pages-1.img"],
      [0x2000n, 1, 4096n, "/3/parent/parent/pages-1.img"],
      [0x3000n, 1, 0n, "/3/parent/pages-1.img"],
      [0x4000n, 1, 0x3000n, "/3/parent/parent/pages-1.img"],
      [0x20000n, 1, 4096n, "/3/pages-1.img"],
    ])
  })

  test("refuses a gap in the parent, and a parent that is not there", () => {
    using dir = scopedFolder()
    const [first, second] = ["1", "2"].map((name) => join(dir.path, name)) as [string, string]
    makeSet(first, "pagemap", [run(0x1000n, 1n), run(0x3000n, 1n)])
    makeSet(second, "pagemap", [run(0x1000n, 3n, PARENT)])
    expect(failureOf(() => runsOf(second))).toMatchObject({ code: "E_IMAGE_MISSING" })
    symlinkSync("../1", join(second, "parent"))
    expect(failureOf(() => runsOf(second))).toMatchObject({
      code: "E_IMAGE_CORRUPT",
      found: "run 0 names pages of the parent, which has none at 0x2000",
    })
  })

  test("reads old images: a 32-bit count, in_parent in place of flags", () => {
    using dir = scopedFolder()
    const [first, second] = ["1", "2"].map((name) => join(dir.path, name)) as [string, string]
    for (const path of [first, second]) mkdirSync(path)
    writeRuns(first, [{ vaddr: 0x1000n, compat_nr_pages: 4 }], 4)
    writeRuns(
      second,
      [
        { vaddr: 0x1000n, compat_nr_pages: 1 },
        { vaddr: 0x2000n, compat_nr_pages: 2, in_parent: true },
      ],
      1,
    )
    symlinkSync("../1", join(second, "parent"))
    expect(runsOf(second).map(({ vaddr, pages, offset, flags }) => [vaddr, pages, offset, flags])).toEqual([
      [0x1000n, 1, 0n, PRESENT],
      [0x2000n, 2, 4096n, PRESENT],
    ])
  })

  const wrong: readonly (readonly [string, readonly object[], string])[] = [
    ["runs out of order", [run(0x3000n, 1n), run(0x1000n, 1n)], "run 1 at 0x1000 begins before 0x4000"],
    ["runs that overlap", [run(0x1000n, 2n), run(0x2000n, 1n)], "run 1 at 0x2000 begins before 0x3000"],
    ["runs between pages", [run(0x1001n, 1n)], "run 0 at 0x1001 does not begin at a page"],
    ["empty runs", [run(0x1000n, 0n)], "run 0 at 0x1000 has no pages"],
    ["runs beyond the address space", [run(0xffff_ffff_ffff_f000n, 2n, 1)], "beyond the address space"],
    ["runs stored twice", [run(0x1000n, 1n, PARENT | PRESENT)], "is stored here and in the parent"],
    ["runs stored nowhere", [run(0x1000n, 1n, 0)], "is stored nowhere"],
    ["runs of a lazy dump", [run(0x1000n, 1n, LAZY)], "was left in the dumped process"],
    ["a pages file that is too short", [run(0x1000n, 9n)], "it has 16384 bytes, pagemap-7.img wants 36864"],
  ]
  for (const [name, runs, text] of wrong) {
    test(`refuses ${name}`, () => {
      using dir = scopedFolder()
      writeRuns(dir.path, runs, 4)
      expect(String(failureOf(() => runsOf(dir.path)))).toContain(text)
    })
  }

  test("refuses a pages file that is not there", () => {
    using dir = scopedFolder()
    makeSet(dir.path, "pagemap", [run(0x1000n, 1n)])
    truncateSync(join(dir.path, "pages-1.img"), 4095)
    expect(failureOf(() => runsOf(dir.path))).toMatchObject({ code: "E_IMAGE_CORRUPT" })
    unlinkSync(join(dir.path, "pages-1.img"))
    expect(failureOf(() => runsOf(dir.path))).toMatchObject({ code: "E_IMAGE_MISSING" })
    expect(existsSync(join(dir.path, "inventory.img"))).toBe(true)
  })
})
