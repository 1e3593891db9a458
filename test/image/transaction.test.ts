import { describe, expect, test } from "bun:test"
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmdirSync,
  statSync,
  unlinkSync,
  watch,
  writeFileSync,
} from "node:fs"
import { join } from "node:path"
import { openImages } from "../../src/image/set.ts"
import { beginImages } from "../../src/image/transaction.ts"
import { failureOf } from "../harness/failure.ts"
import { scopedFolder } from "../harness/folders.ts"
import { inventory } from "./sample.ts"

import { contents, fill, makeSet, run, tree } from "./sets.ts"

describe("beginImages", () => {
  test("makes the directory when its parent exists, and removes it again without a commit", () => {
    using dir = scopedFolder()
    const images = join(dir.path, "images")
    {
      using tx = beginImages(images, { sync: false })
      fill(tx, 7)
      expect(existsSync(images)).toBe(true)
    }
    expect(existsSync(images)).toBe(false)
    expect(failureOf(() => beginImages(join(images, "deeper"), { sync: false }))).toMatchObject({ code: "E_DIRECTORY" })
  })

  test("refuses what is no directory", () => {
    using dir = scopedFolder()
    const file = join(dir.path, "file")
    writeFileSync(file, "")
    expect(failureOf(() => beginImages(file, { sync: false }))).toMatchObject({ code: "E_DIRECTORY", found: "it is not a directory" })
    expect(failureOf(() => beginImages(join(file, "x"), { sync: false }))).toMatchObject({ code: "E_DIRECTORY" })
  })

  test("refuses a directory that cannot be written", () => {
    using dir = scopedFolder()
    chmodSync(dir.path, 0o500)
    const asRoot = process.getuid?.() === 0
    // Root may write anywhere but on read-only file systems: /proc/self/fd stands for one.
    expect(failureOf(() => beginImages(asRoot ? "/proc/self/fd" : dir.path, { sync: false }))).toMatchObject({ code: "E_DIRECTORY" })
  })

  test("removes temporaries of dead runs only", () => {
    using dir = scopedFolder()
    const dead = Bun.spawnSync(["true"]).pid
    writeFileSync(join(dir.path, `.stasis-${dead}-core-7.img.tmp`), "left")
    writeFileSync(join(dir.path, "notes.tmp"), "of the user")
    beginImages(dir.path, { sync: false })[Symbol.dispose]()
    expect(readdirSync(dir.path)).toEqual(["notes.tmp"])
  })

  test("refuses while another transaction writes there, which has no temporary yet, and touches nothing", () => {
    using dir = scopedFolder()
    makeSet(dir.path, 7)
    const before = contents(dir.path)
    const tx = beginImages(dir.path, { sync: false })
    try {
      const refused = { code: "E_DIRECTORY", found: "another run of stasis is writing there" }
      expect(failureOf(() => beginImages(dir.path, { sync: false }))).toMatchObject(refused)
      expect(contents(dir.path)).toEqual(before)
    } finally {
      tx[Symbol.dispose]()
    }
    const next = beginImages(dir.path, { sync: false })
    fill(next, 8)
    next.commit()
    beginImages(dir.path, { sync: false })[Symbol.dispose]()
  })

  test("refuses to mix with a living run", () => {
    using dir = scopedFolder()
    writeFileSync(join(dir.path, ".stasis-1-core-7.img.tmp"), "of task 1")
    const error = failureOf(() => beginImages(dir.path, { sync: false }))
    expect(error).toMatchObject({ code: "E_DIRECTORY", found: "task 1 is writing .stasis-1-core-7.img.tmp there" })
    expect(readdirSync(dir.path)).toHaveLength(1)
  })
})

describe("commit", () => {
  test("makes a set that openImages reads", () => {
    using dir = scopedFolder()
    using tx = beginImages(dir.path, { sync: true })
    fill(tx, 7)
    tx.write("seccomp", undefined, [])
    expect(readdirSync(dir.path).every((name) => name.startsWith(".stasis-"))).toBe(true)
    expect(tx.bytesWritten).toBeGreaterThan(8192)
    tx.commit()
    expect(readdirSync(dir.path).sort()).toEqual(["inventory.img", "pagemap-7.img", "pages-1.img", "pstree.img"])
    const set = openImages(dir.path)
    expect(set.one("pstree")).toEqual(tree(7))
    expect(set.inventory).toEqual(inventory)
    expect(statSync(join(dir.path, "pages-1.img")).mode & 0o777).toBe(0o600)
  })

  test("replaces an older set wholly, and nothing else", () => {
    using dir = scopedFolder()
    makeSet(dir.path, 7)
    for (const name of ["core-99.img", "stasis-core-99.img", "ghost-file-1f.img", "stats-dump", "dump.log", "core-99.txt"])
      writeFileSync(join(dir.path, name), "old")
    makeSet(dir.path, 8)
    expect(readdirSync(dir.path).sort()).toEqual([
      "core-99.txt",
      "dump.log",
      "inventory.img",
      "pagemap-8.img",
      "pages-1.img",
      "pstree.img",
      "stats-dump",
    ])
  })

  test("takes the older inventory.img away first and brings the new one last", async () => {
    using dir = scopedFolder()
    makeSet(dir.path, 7)
    const names: string[] = []
    // The kernel keeps the events of a synchronous commit in order until the watcher is asked.
    const watcher = watch(dir.path, (_, name) => names.push(String(name)))
    await Bun.sleep(20)
    {
      using tx = beginImages(dir.path, { sync: false })
      tx.write("inventory", undefined, [inventory])
      tx.write("pstree", undefined, [tree(8)])
      tx.write("core", 8, [{ mtype: 1 }])
      tx.commit()
    }
    await Bun.sleep(50)
    watcher.close()
    const images = names.filter((name) => !name.startsWith("."))
    expect(images[0]).toBe("inventory.img")
    expect(images.at(-1)).toBe("inventory.img")
    expect(images).toContain("core-8.img")
  })

  test("names the directory when its files are gone before they are counted, as a mount that was taken away", () => {
    using dir = scopedFolder()
    using tx = beginImages(dir.path, { sync: false })
    fill(tx, 7)
    for (const name of readdirSync(dir.path)) unlinkSync(join(dir.path, name))
    expect(failureOf(() => tx.bytesWritten)).toMatchObject({ code: "E_DIRECTORY", action: `Cannot complete the images in ${dir.path}` })
  })

  test("refuses a directory with the name of an image", () => {
    using dir = scopedFolder()
    using tx = beginImages(dir.path, { sync: false })
    fill(tx, 7)
    mkdirSync(join(dir.path, "core-3.img"))
    expect(failureOf(() => tx.commit())).toMatchObject({ code: "E_DIRECTORY", found: "core-3.img is a directory, not an image" })
    expect(existsSync(join(dir.path, "inventory.img"))).toBe(false)
  })
})

describe("settle", () => {
  const temporary = (directory: string): string => join(directory, readdirSync(directory).find((name) => name.includes("pstree")) ?? "")

  test("reads again what was written, which the commit then need not", () => {
    using dir = scopedFolder()
    using tx = beginImages(dir.path, { sync: true })
    tx.write("pstree", undefined, [tree(7)])
    tx.settle()
    appendFileSync(temporary(dir.path), "x")
    tx.write("inventory", undefined, [inventory])
    tx.commit()
    expect(readdirSync(dir.path).sort()).toEqual(["inventory.img", "pstree.img"])
  })

  test("finds what the commit would", () => {
    using dir = scopedFolder()
    {
      using tx = beginImages(dir.path, { sync: false })
      tx.write("pstree", undefined, [tree(7)])
      appendFileSync(temporary(dir.path), "x")
      expect(failureOf(() => tx.settle())).toMatchObject({ code: "E_IO" })
    }
    mkdirSync(join(dir.path, "core-3.img"))
    using tx = beginImages(dir.path, { sync: false })
    expect(failureOf(() => tx.settle())).toMatchObject({ code: "E_DIRECTORY", found: "core-3.img is a directory, not an image" })
  })
})

describe("a failed dump", () => {
  test("leaves an older set byte for byte, and nothing of its own", () => {
    using dir = scopedFolder()
    makeSet(dir.path, 7)
    const before = contents(dir.path)
    {
      using tx = beginImages(dir.path, { sync: false })
      fill(tx, 8)
    }
    expect(contents(dir.path)).toEqual(before)
  })

  test("is one whose pages file has not the length its pagemaps want", () => {
    using dir = scopedFolder()
    makeSet(dir.path, 7)
    const before = contents(dir.path)
    {
      using tx = beginImages(dir.path, { sync: false })
      tx.write("inventory", undefined, [inventory])
      tx.write("pagemap", 8, [{ pages_id: 1 }, run(0x1000n, 2n), run(0x9000n, 3n, 1)])
      const file = tx.pages(1)
      file.preallocate(65536)
      expect(failureOf(() => tx.commit())).toMatchObject({ code: "E_IO", found: "it has 65536 bytes, its pagemaps want 8192" })
      file.truncate(4096)
      expect(failureOf(() => tx.commit())).toMatchObject({ code: "E_IO", found: "it has 4096 bytes, its pagemaps want 8192" })
    }
    expect(contents(dir.path)).toEqual(before)
  })

  test("is one whose file changed on the disk", () => {
    using dir = scopedFolder()
    makeSet(dir.path, 7)
    const before = contents(dir.path)
    {
      using tx = beginImages(dir.path, { sync: false })
      fill(tx, 8)
      writeFileSync(join(dir.path, `.stasis-${process.pid}-pstree.img.tmp`), "damaged")
      expect(failureOf(() => tx.commit())).toMatchObject({ code: "E_IO" })
    }
    expect(contents(dir.path)).toEqual(before)
  })

  test("is one that stops between two renames: the older set comes back", () => {
    using dir = scopedFolder()
    makeSet(dir.path, 7)
    const before = contents(dir.path)
    {
      using tx = beginImages(dir.path, { sync: false })
      fill(tx, 8)
      // A directory in the way of moving the old pstree.img aside, when inventory.img has been moved already.
      const aside = join(dir.path, `.stasis-${process.pid}-pstree.img.old.tmp`)
      mkdirSync(aside)
      expect(failureOf(() => tx.commit())).toMatchObject({ code: "E_DIRECTORY" })
      rmdirSync(aside)
    }
    expect(contents(dir.path)).toEqual(before)
  })
})
