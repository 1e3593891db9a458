import { afterAll, describe, expect, test } from "bun:test"
import * as node from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as own from "../../ffi/fs.ts"
import { holdInterrupts } from "../../ffi/interrupt.ts"
import { syncfsSync } from "../../ffi/sync.ts"

const folder = node.mkdtempSync(join(tmpdir(), "stasis-fs-"))
afterAll(() => node.rmSync(folder, { recursive: true }))

/** What a call answers, or its error's code. */
function outcome(step: () => unknown): unknown {
  try {
    return step()
  } catch (error) {
    return { code: (error as { code?: string }).code }
  }
}

/** Both must say the same. */
const same = (step: (fs: typeof own) => unknown): void => expect(outcome(() => step(own))).toEqual(outcome(() => step(node as never)))

describe("errors have node's code", () => {
  const file = join(folder, "plain")
  node.writeFileSync(file, "x")
  for (const path of [join(folder, "none"), join(file, "below"), folder, join(folder, "n".repeat(300)), `/${"long/".repeat(1000)}`]) {
    test(path.slice(-20), () => {
      same((fs) => fs.readFileSync(path).length)
      same((fs) => fs.closeSync(fs.openSync(join(path, "a", "b"), "wx")))
      same((fs) => fs.statSync(path).isDirectory())
      same((fs) => fs.existsSync(path))
      same((fs) => fs.readdirSync(path).sort())
      same((fs) => fs.unlinkSync(path))
      same((fs) => fs.renameSync(path, join(folder, "never", "there")))
      same((fs) => fs.rmdirSync(path === folder ? join(folder, "none") : path))
      same((fs) => fs.mkdirSync(join(path, "a", "b")))
    })
  }

  test("of descriptors", () => {
    same((fs) => fs.closeSync(9999))
    same((fs) => fs.fstatSync(9999))
    same((fs) => fs.readSync(9999, new Uint8Array(4), 0, 4, null))
    same((fs) => fs.writeSync(9999, "x"))
    same((fs) => fs.ftruncateSync(9999, 1))
    same((fs) => fs.fsyncSync(9999))
  })

  test("a path with a NUL is refused, not cut", () => {
    expect(() => own.readFileSync(`${file}\0.img`)).toThrow("EINVAL")
  })

  test("the message says what and where", () => {
    expect(() => own.readFileSync("/none")).toThrow("ENOENT: no such file or directory, openat '/none'")
  })
})

describe("what is written is what is read", () => {
  // More than the buffer that lies between, and no multiple of it.
  const bytes = Buffer.from(Array.from({ length: 700_001 }, (_, index) => (index * 7) & 0xff))

  test("whole files", () => {
    const path = join(folder, "größe")
    own.writeFileSync(path, bytes, { mode: 0o600 })
    expect(node.readFileSync(path).equals(bytes)).toBe(true)
    expect(own.readFileSync(path).equals(bytes)).toBe(true)
    expect(node.statSync(path).mode & 0o777).toBe(0o600)
    own.writeFileSync(path, "short ü")
    expect(own.readFileSync(path, "utf8")).toBe("short ü")
    expect(own.readFileSync(path, "latin1")).toBe(node.readFileSync(path, "latin1"))
    expect(own.readFileSync("/proc/self/maps").length).toBeGreaterThan(4096)
  })

  test("by descriptor, at positions and without", () => {
    const path = join(folder, "positions")
    const fd = own.openSync(path, "wx+", 0o600)
    expect(own.writeSync(fd, bytes)).toBe(bytes.length)
    expect(own.writeSync(fd, bytes, 10, 20, 5)).toBe(20)
    const back = new Uint8Array(30)
    expect(own.readSync(fd, back, 2, 20, 5)).toBe(20)
    expect(Buffer.from(back.subarray(2, 22)).equals(bytes.subarray(10, 30))).toBe(true)
    expect(own.readSync(fd, back, 0, 30, null)).toBe(0)
    own.ftruncateSync(fd, 12)
    own.fsyncSync(fd)
    expect(own.fstatSync(fd).size).toBe(12)
    expect(node.readFileSync(`/proc/self/fdinfo/${fd}`, "latin1")).toMatch(/flags:\s+02\d{6}/) // close-on-exec
    own.closeSync(fd)
    expect(() => own.fstatSync(fd)).toThrow("EBADF")
  })

  test("a whole file system is synced through any descriptor on it", () => {
    const fd = own.openSync(folder, "r")
    expect(syncfsSync?.(fd)).toBeUndefined()
    own.closeSync(fd)
    expect(() => syncfsSync?.(9999)).toThrow("EBADF")
  })

  test("a full pipe answers what it took, then EAGAIN", () => {
    const fifo = join(folder, "fifo")
    expect(Bun.spawnSync(["mkfifo", fifo]).exitCode).toBe(0)
    const fd = own.openSync(fifo, node.constants.O_RDWR | node.constants.O_NONBLOCK)
    expect(own.writeSync(fd, bytes)).toBe(65536)
    expect(() => own.writeSync(fd, bytes)).toThrow("EAGAIN")
    own.closeSync(fd)
  })
})

test("stat, lstat, links, folders and names agree with node:fs", () => {
  const inner = join(folder, "inner")
  own.mkdirSync(inner)
  for (let index = 0; index < 3000; index++) node.closeSync(node.openSync(join(inner, `a name that is long, number ${index}`), "w"))
  node.symlinkSync("/proc", join(inner, "link"))
  expect(own.readdirSync(inner).sort()).toEqual(node.readdirSync(inner).sort())
  for (const fs of [own.statSync, own.lstatSync] as const) {
    const theirs = (fs === own.statSync ? node.statSync : node.lstatSync)(join(inner, "link"))
    const { ino, size, mode, uid, gid } = theirs
    const ours = fs(join(inner, "link"))
    expect(ours).toMatchObject({ ino, mode, uid, gid, ...(fs === own.lstatSync ? { size } : {}) })
    expect([ours.isFile(), ours.isDirectory()]).toEqual([theirs.isFile(), theirs.isDirectory()])
  }
  expect(own.readlinkSync(join(inner, "link"), "buffer").toString()).toBe("/proc")
  own.renameSync(join(inner, "link"), join(inner, "moved"))
  own.rmSync(join(inner, "moved"), { force: false })
  own.rmSync(join(inner, "moved"), { force: true })
  expect(() => own.rmSync(join(inner, "moved"), { force: false })).toThrow("ENOENT")
  expect(() => own.rmdirSync(inner)).toThrow("ENOTEMPTY")
  node.rmSync(inner, { recursive: true })
  own.mkdirSync(inner)
  own.rmdirSync(inner)
  expect(own.existsSync(inner)).toBe(false)
})

test("a call that our timer interrupts is tried again", () => {
  using _ = holdInterrupts()
  const fifo = join(folder, "slow")
  expect(Bun.spawnSync(["mkfifo", fifo]).exitCode).toBe(0)
  const writer = Bun.spawn(["sh", "-c", `exec 3>"${fifo}"; sleep 0.2; echo late >&3`], { stdio: ["ignore", "ignore", "ignore"] })
  // Opening waits for the writer, reading for its word: several ticks of 20 ms.
  expect(own.readFileSync(fifo, "utf8")).toBe("late\n")
  writer.kill()
})
