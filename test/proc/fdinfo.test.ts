import { describe, expect, test } from "bun:test"
import { epollTargets } from "../../src/proc/epoll.ts"
import { parseFdInfo, readFdInfo, readFdInfoIfOpen } from "../../src/proc/fdinfo.ts"
import { fileLocks } from "../../src/proc/locks.ts"
import { fanotifyState, inotifyWatches } from "../../src/proc/notify.ts"
import { timerfdState } from "../../src/proc/timerfd.ts"

const head = "pos:\t0\nflags:\t02000002\nmnt_id:\t15\nino:\t2057\n"

describe("parseFdInfo", () => {
  test("reads the common keys", () => {
    const info = parseFdInfo("pos:\t9223372036854775807\nflags:\t0102001\nmnt_id:\t29\n")
    expect(info).toMatchObject({ pos: 2n ** 63n - 1n, flags: 0o102001, mntId: 29, ino: null, lines: [] })
    expect(parseFdInfo(head)).toMatchObject({ ino: 2057n, flags: 0o2000002 })
  })

  test("reads the keys of an eventfd in their bases", () => {
    const info = parseFdInfo(`${head}eventfd-count: fffffffffffffffe\neventfd-id: 19\neventfd-semaphore: 1\n`)
    expect(info.hex("eventfd-count")).toBe(0xfffffffffffffffen)
    expect(info.dec("eventfd-id")).toBe(19n)
    expect(info.has("eventfd-semaphore")).toBe(true)
    expect(info.lines).toHaveLength(3)
  })

  test("reads a signal mask and the PIDs of a pidfd", () => {
    expect(parseFdInfo(`${head}sigmask:\t0000000000000206\n`).hex("sigmask")).toBe(0x206n)
    const pidfd = parseFdInfo(`${head}Pid:\t-1\nNSpid:\t4242\t7\n`)
    expect(pidfd.dec("Pid")).toBe(-1n)
    expect(pidfd.text("NSpid")).toBe("4242\t7")
  })

  test("names the key that is missing or no number", () => {
    const info = parseFdInfo(`${head}sigmask:\tzz\n`)
    expect(() => info.hex("sigmask")).toThrow('"zz" is not a number')
    expect(() => info.dec("eventfd-id")).toThrow(expect.objectContaining({ code: "E_KERNEL" }))
    expect(() => parseFdInfo("")).toThrow('Cannot read "pos"')
  })
})

test("epollTargets reads 32 lines with both kinds of spacing", () => {
  const rows = Array.from(
    { length: 32 },
    (_, index) =>
      `tfd: ${String(index + 5).padStart(8)} events: 8000201d data: ffffffffffff${(index + 16).toString(16)}00  pos:-1 ino:${(index + 4096).toString(16)} sdev:800013`,
  )
  const targets = epollTargets(parseFdInfo(`${head}${rows.join("\n")}\n`))
  expect(targets).toHaveLength(32)
  expect(targets[31]).toEqual({ tfd: 36, events: 0x8000201d, data: 0xffffffffffff2f00n, pos: -1n, ino: 0x101fn, sdev: 0x800013 })
})

test("timerfdState reads times, octal flags and unread ticks", () => {
  const info = parseFdInfo(
    `${head}clockid: 1\nticks: 3\nsettime flags: 01\nit_value: (0, 49406829)\nit_interval: (18446744073, 999999999)\n`,
  )
  expect(timerfdState(info)).toEqual({
    clockId: 1,
    ticks: 3n,
    settimeFlags: 1,
    value: { seconds: 0n, nanoseconds: 49406829n },
    interval: { seconds: 18446744073n, nanoseconds: 999999999n },
  })
})

test("inotifyWatches reads handles, also where there is none", () => {
  const watches = inotifyWatches(
    parseFdInfo(`${head}inotify wd:3 ino:9e7e sdev:800013 mask:800afce ignored_mask:0 fhandle-bytes:8 fhandle-type:1 f_handle:7e9e0000640d1b6d
inotify wd:10 ino:a sdev:1 mask:2 ignored_mask:0 
`),
  )
  expect(watches[0]).toEqual({
    wd: 3,
    ino: 0x9e7en,
    sdev: 0x800013,
    mask: 0x800afce,
    handle: { type: 1, bytes: Uint8Array.of(0x7e, 0x9e, 0, 0, 0x64, 0x0d, 0x1b, 0x6d) },
  })
  expect(watches[1]).toMatchObject({ wd: 16, handle: null })
})

test("fanotifyState tells the three kinds of marks apart", () => {
  const state = fanotifyState(
    parseFdInfo(`${head}fanotify flags:10 event-flags:8002
fanotify mnt_id:12 mflags:40 mask:38 ignored_mask:40000003
fanotify ino:4f969 sdev:800013 mflags:0 mask:3b ignored_mask:40000000 fhandle-bytes:8 fhandle-type:1 f_handle:69f90400c275b5b4
fanotify sdev:800013 mflags:0 mask:1 ignored_mask:0
fanotify mnt_ns:4026531841 mflags:0 mask:1000000 ignored_mask:0
`),
  )
  expect(state).toMatchObject({ flags: 0x10, eventFlags: 0x8002 })
  expect(state?.marks.map(({ kind, mntId, ino, sdev }) => ({ kind, mntId, ino, sdev }))).toEqual([
    { kind: "mount", mntId: 0x12, ino: null, sdev: null },
    { kind: "inode", mntId: null, ino: 0x4f969n, sdev: 0x800013 },
    { kind: "filesystem", mntId: null, ino: null, sdev: 0x800013 },
    { kind: "other", mntId: null, ino: null, sdev: null },
  ])
  expect(fanotifyState(parseFdInfo(head))).toBeNull()
})

test("fileLocks reads locks of all kinds, and ranges to the end", () => {
  const locks = fileLocks(
    parseFdInfo(`${head}lock:	1: FLOCK  ADVISORY  WRITE 359 00:13:11691 0 EOF
lock:	2: POSIX  ADVISORY  READ  359 fe:00:7 10 19
lock:	3: OFDLCK ADVISORY  WRITE -1 fe:00:7 0 EOF
lock:	4: LEASE  BREAKING  UNLCK 359 fe:00:7 0 EOF
lock:	5: POSIX  *NOINODE* READ  -1 <none>:0 0 EOF
`),
  )
  expect(locks[0]).toEqual({
    kind: "FLOCK",
    mode: "ADVISORY",
    access: "WRITE",
    pid: 359,
    devMajor: 0,
    devMinor: 0x13,
    inode: 11691n,
    start: 0n,
    end: null,
  })
  expect(locks[1]).toMatchObject({ kind: "POSIX", access: "READ", devMajor: 0xfe, start: 10n, end: 19n })
  expect(locks.map(({ kind }) => kind)).toEqual(["FLOCK", "POSIX", "OFDLCK", "LEASE", "POSIX"])
  expect(locks[2]?.pid).toBe(-1)
  expect(locks[4]).toMatchObject({ mode: "*NOINODE*", inode: 0n })
})

test("readFdInfo tells a closed descriptor from a dead process", () => {
  expect(readFdInfo(process.pid, 0).mntId).toBeGreaterThan(0)
  expect(readFdInfoIfOpen(process.pid, 99999)).toBeNull()
  expect(() => readFdInfo(process.pid, 99999)).toThrow(expect.objectContaining({ code: "E_TARGET_CHANGED" }))
  expect(() => readFdInfo(0x7ffffff0, 0)).toThrow(expect.objectContaining({ code: "E_NO_PROCESS" }))
})
