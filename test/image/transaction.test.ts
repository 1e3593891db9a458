import { describe, expect, test } from "bun:test"
import {
  chmodSync,
  existsSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statSync,
  watch,
  writeFileSync,
  writeSync,
} from "node:fs"
import { join } from "node:path"
import { openImages } from "../../src/image/set.ts"
import { writeStats } from "../../src/image/stats.ts"
import { beginImages, type ImageTransaction } from "../../src/image/transaction.ts"
import { failureOf, inventory, scratch } from "./sample.ts"

const PRESENT = 4
const tree = (pid: number) => ({ pid, ppid: 0, pgid: pid, sid: pid, threads: [pid] })
const run = (vaddr: bigint, pages: bigint, flags = PRESENT) => ({ vaddr, compat_nr_pages: 0, nr_pages: pages, flags })

/** A small set: inventory, tree, one pagemap with its pages. */
function fill(tx: ImageTransaction, pid: number, pages = 2): void {
  tx.write("inventory", undefined, [inventory])
  tx.write("pstree", undefined, [tree(pid)])
  tx.write("pagemap", pid, [{ pages_id: 1 }, run(0x1000n, BigInt(pages))])
  const file = tx.pages(1)
  writeSync(file.fd, new Uint8Array(pages * 4096).fill(pid))
}

function makeSet(directory: string, pid: number): void {
  using tx = beginImages(directory, { sync: false })
  fill(tx, pid)
  tx.commit()
}

const contents = (directory: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(directory)
      .sort()
      .map((name) => [name, lstatSync(join(directory, name)).isFile() ? readFileSync(join(directory, name), "latin1") : "directory"]),
  )

describe("beginImages", () => {
  test("makes the directory when its parent exists, and removes it again without a commit", () => {
    using dir = scratch()
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
    using dir = scratch()
    const file = join(dir.path, "file")
    writeFileSync(file, "")
    expect(failureOf(() => beginImages(file, { sync: false }))).toMatchObject({ code: "E_DIRECTORY", found: "it is not a directory" })
    expect(failureOf(() => beginImages(join(file, "x"), { sync: false }))).toMatchObject({ code: "E_DIRECTORY" })
  })

  test("refuses a directory that cannot be written", () => {
    using dir = scratch()
    chmodSync(dir.path, 0o500)
    const asRoot = process.getuid?.() === 0
    // Root may write anywhere but on read-only file systems: /proc/self/fd stands for one.
    expect(failureOf(() => beginImages(asRoot ? "/proc/self/fd" : dir.path, { sync: false }))).toMatchObject({ code: "E_DIRECTORY" })
  })

  test("removes temporaries of dead runs only", () => {
    using dir = scratch()
    const dead = Bun.spawnSync(["true"]).pid
    writeFileSync(join(dir.path, `.stasis-${dead}-core-7.img.tmp`), "left")
    writeFileSync(join(dir.path, "notes.tmp"), "of the user")
    beginImages(dir.path, { sync: false })[Symbol.dispose]()
    expect(readdirSync(dir.path)).toEqual(["notes.tmp"])
  })

  test("refuses to mix with a living run", () => {
    using dir = scratch()
    writeFileSync(join(dir.path, ".stasis-1-core-7.img.tmp"), "of task 1")
    const error = failureOf(() => beginImages(dir.path, { sync: false }))
    expect(error).toMatchObject({ code: "E_DIRECTORY", found: "task 1 is writing .stasis-1-core-7.img.tmp there" })
    expect(readdirSync(dir.path)).toHaveLength(1)
  })
})

describe("commit", () => {
  test("makes a set that openImages reads", () => {
    using dir = scratch()
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
    using dir = scratch()
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
    using dir = scratch()
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

  test("refuses a directory with the name of an image", () => {
    using dir = scratch()
    using tx = beginImages(dir.path, { sync: false })
    fill(tx, 7)
    mkdirSync(join(dir.path, "core-3.img"))
    expect(failureOf(() => tx.commit())).toMatchObject({ code: "E_DIRECTORY", found: "core-3.img is a directory, not an image" })
    expect(existsSync(join(dir.path, "inventory.img"))).toBe(false)
  })
})

describe("a failed dump", () => {
  test("leaves an older set byte for byte, and nothing of its own", () => {
    using dir = scratch()
    makeSet(dir.path, 7)
    const before = contents(dir.path)
    {
      using tx = beginImages(dir.path, { sync: false })
      fill(tx, 8)
    }
    expect(contents(dir.path)).toEqual(before)
  })

  test("is one whose pages file has not the length its pagemaps want", () => {
    using dir = scratch()
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
    using dir = scratch()
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
    using dir = scratch()
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

describe("a dump that is killed while it replaces a set", () => {
  const writer = join(import.meta.dir, "killed.ts")

  test("leaves the older set or the new one, whole, at whatever step it dies", () => {
    const names = ["inventory.img", "pagemap-8.img", "pages-1.img", "pstree.img"]
    const outcomes: string[] = []
    // Four images are moved aside, four moved in, then four and the marker are removed.
    for (let step = 0; step <= 13; step++) {
      using dir = scratch()
      makeSet(dir.path, 7)
      const older = contents(dir.path)
      const { exitCode, signalCode } = Bun.spawnSync([process.execPath, writer, dir.path, String(step)])
      expect(signalCode ?? exitCode).toBe(step < 13 ? "SIGKILL" : 0)
      beginImages(dir.path, { sync: false })[Symbol.dispose]()
      const now = contents(dir.path)
      const whole = Object.keys(now).join() === names.join() ? "new" : "old"
      if (whole === "old") expect(now).toEqual(older)
      outcomes.push(whole)
    }
    expect(outcomes.join(" ")).toBe([...Array(8).fill("old"), ...Array(6).fill("new")].join(" "))
  }, 30_000)
})

describe("a full disk", () => {
  const mounted = (path: string): boolean => Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=64k", "stasis-test", path]).exitCode === 0

  test("is E_DISK_FULL, and nothing is left", () => {
    using dir = scratch()
    if (process.getuid?.() !== 0 || !mounted(dir.path)) {
      console.log("skipped: mounting a tmpfs needs root")
      return
    }
    try {
      makeSet(dir.path, 7)
      const before = contents(dir.path)
      {
        using tx = beginImages(dir.path, { sync: false })
        fill(tx, 8)
        const entry = { message: { pipe_id: 1, bytes: 100_000 }, payload: new Uint8Array(100_000) }
        expect(failureOf(() => tx.write("pipes-data", undefined, [entry]))).toMatchObject({ code: "E_DISK_FULL", status: 6 })
      }
      expect(contents(dir.path)).toEqual(before)
    } finally {
      Bun.spawnSync(["umount", dir.path])
    }
  })

  test("is E_DISK_FULL when the door's fallocate says so", () => {
    using dir = scratch()
    const full = Object.assign(new Error("fallocate answered ENOSPC"), { errno: "ENOSPC" })
    using tx = beginImages(dir.path, {
      sync: false,
      allocate: () => {
        throw full
      },
    })
    expect(failureOf(() => tx.pages(1).preallocate(4096))).toMatchObject({ code: "E_DISK_FULL", cause: full })
  })
})

describe("preallocate and truncate", () => {
  test("set the size through the open descriptor", () => {
    using dir = scratch()
    using tx = beginImages(dir.path, { sync: false, allocate: (fd, bytes) => ftruncateSync(fd, bytes) })
    const file = tx.pages(3)
    file.preallocate(1 << 20)
    expect(tx.bytesWritten).toBe(1 << 20)
    file.truncate(8192)
    expect(tx.bytesWritten).toBe(8192)
  })
})

describe("writeStats", () => {
  test("writes stats-dump with the words of a service file", () => {
    using dir = scratch()
    const restore = { pages_compared: 0n, pages_skipped_cow: 0n, forking_time: 1, restore_time: 2, pages_restored: 3n }
    writeStats(dir.path, "restore", { restore })
    expect(readFileSync(join(dir.path, "stats-restore")).subarray(0, 8).toString("hex")).toBe("4059105506330957")
    expect(readdirSync(dir.path)).toEqual(["stats-restore"])
    expect(failureOf(() => writeStats(join(dir.path, "no"), "dump", {}))).toMatchObject({ code: "E_DIRECTORY" })
  })
})
