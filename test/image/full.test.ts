import { describe, expect, test } from "bun:test"
import { ftruncateSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { FileError, unlinkSync, writeAll, writeFileSync } from "../../ffi/fs.ts"
import { SyscallError } from "../../ffi/syscall.ts"
import { openPagesFiles } from "../../src/flow/dump/pages-files.ts"
import { saveSegment } from "../../src/flow/dump/store-pages.ts"
import { ioFailure, readFailure } from "../../src/image/failure.ts"
import { writeStats } from "../../src/image/stats.ts"
import { beginImages } from "../../src/image/transaction.ts"
import { failureOf } from "../harness/failure.ts"
import { scopedFolder } from "../harness/folders.ts"
import { skip } from "../harness/skip.ts"
import { contents, fill, makeSet, run } from "./sets.ts"

describe("a dump that is killed while it replaces a set", () => {
  const writer = join(import.meta.dir, "killed.ts")

  test("leaves the older set or the new one, whole, at whatever step it dies", () => {
    const names = ["inventory.img", "pagemap-8.img", "pages-1.img", "pstree.img"]
    const outcomes: string[] = []
    // Four images are moved aside, four moved in, then four and the marker are removed.
    for (let step = 0; step <= 13; step++) {
      using dir = scopedFolder()
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

describe("a commit that fails", () => {
  const writer = join(import.meta.dir, "killed.ts")

  test("whose steps cannot all be taken back tells its own error, and the next run brings the older set back whole", () => {
    // Four images are moved aside, four moved in: the third of those fails (step 6), then one or two of the steps back.
    for (const back of [["7"], ["8"], ["9"], ["8", "11"], ["12"]]) {
      using dir = scopedFolder()
      makeSet(dir.path, 7)
      const older = contents(dir.path)
      const { stdout } = Bun.spawnSync([process.execPath, writer, dir.path, "-1", "6", ...back])
      expect(stdout.toString()).toBe("E_DIRECTORY\n")
      beginImages(dir.path, { sync: false })[Symbol.dispose]()
      expect(contents(dir.path)).toEqual(older)
    }
  }, 30_000)
})

describe("a full disk", () => {
  const mounted = (path: string): boolean => Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=64k", "stasis-test", path]).exitCode === 0

  test("is an error wherever it ends a write, also behind a short answer", () => {
    using dir = scopedFolder()
    if (process.getuid?.() !== 0 || !mounted(dir.path)) {
      return skip("mounting a tmpfs needs root")
    }
    try {
      const data = new Uint8Array(100_000).fill(7)
      expect(() => writeFileSync(join(dir.path, "x"), data)).toThrow("ENOSPC")
      unlinkSync(join(dir.path, "x"))
      using tx = beginImages(dir.path, { sync: false })
      const path = join(dir.path, "..", `segment-${process.pid}`)
      using _segment = { [Symbol.dispose]: () => unlinkSync(path) }
      writeFileSync(path, data)
      const ranges = [{ start: 0n, end: 98_304n, flags: 0 }]
      const failure = failureOf(() => saveSegment(1, { ranges, source: path }, openPagesFiles(tx)))
      expect(failure).toMatchObject({ code: "E_DISK_FULL", action: `Cannot write ${join(dir.path, "pages-1.img")}` })
    } finally {
      Bun.spawnSync(["umount", dir.path])
    }
  })

  test("leaves errors of others as they are: what holds the memory may be gone", () => {
    using dir = scopedFolder()
    using tx = beginImages(dir.path, { sync: false })
    const gone = new SyscallError("pread64", "ENOSPC", [])
    const failure = failureOf(() =>
      tx.pages(1).fill(() => {
        throw gone
      }),
    )
    expect(failure).toBe(gone as never)
  })

  test("is E_DISK_FULL, and nothing is left", () => {
    using dir = scopedFolder()
    if (process.getuid?.() !== 0 || !mounted(dir.path)) {
      return skip("mounting a tmpfs needs root")
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
    using dir = scopedFolder()
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

describe("a set of many files", () => {
  test("keeps few of them open, and is whole", () => {
    using dir = scopedFolder()
    const openOnes = (): number => readdirSync("/proc/self/fd").length
    const before = openOnes()
    using tx = beginImages(dir.path, { sync: true })
    fill(tx, 1)
    const later = Array.from({ length: 100 }, (_, index) => tx.pages(index + 2))
    for (let pid = 2; pid < 102; pid++) tx.write("pagemap", pid, [{ pages_id: pid }, run(0x1000n, 1n)])
    for (const [index, file] of later.entries()) file.fill((fd) => writeAll(fd, new Uint8Array(4096).fill(index), 0))
    expect(openOnes()).toBeLessThan(before + 40)
    tx.commit()
    // Others' may have been closed meanwhile.
    expect(openOnes()).toBeLessThanOrEqual(before)
    expect(readdirSync(dir.path)).toHaveLength(204)
    for (const index of [0, 50, 99]) expect(readFileSync(join(dir.path, `pages-${index + 2}.img`))[4095]).toBe(index)
  })
})

describe("too many open files", () => {
  test("is told as the limit that it is", () => {
    const failure = ioFailure("Cannot create x", new FileError("EMFILE", "openat", "x"))
    expect(failure).toMatchObject({ code: "E_IO", next: "Raise ulimit -n, then try again" })
  })

  test.each(["ENAMETOOLONG", "ELOOP", "EEXIST"])("%s names the directory, not the disk", (errno) => {
    const failure = ioFailure("Cannot write images to x", new FileError(errno, "mkdirat", "x"))
    expect(failure).toMatchObject({ code: "E_DIRECTORY", next: "Name a directory with -D" })
  })
})

test("an image that may not be read is told as that", () => {
  const failure = readFailure("Cannot read x", new FileError("EACCES", "openat", "x"))
  expect(failure).toMatchObject({ code: "E_DIRECTORY", found: "this user may not read it", next: "Run as the owner of the images" })
})

describe("preallocate and truncate", () => {
  test("set the size through the open descriptor", () => {
    using dir = scopedFolder()
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
    using dir = scopedFolder()
    const restore = { pages_compared: 0n, pages_skipped_cow: 0n, forking_time: 1, restore_time: 2, pages_restored: 3n }
    writeStats(dir.path, "restore", { restore })
    expect(readFileSync(join(dir.path, "stats-restore")).subarray(0, 8).toString("hex")).toBe("4059105506330957")
    expect(readdirSync(dir.path)).toEqual(["stats-restore"])
    expect(failureOf(() => writeStats(join(dir.path, "no"), "dump", {}))).toMatchObject({ code: "E_DIRECTORY" })
  })
})
