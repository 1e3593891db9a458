import { describe, expect, test } from "bun:test"
import { decode } from "../../../proto/decode.ts"
import { encode } from "../../../proto/encode.ts"
import { file_lock_entrySchema } from "../../../proto/gen/file-lock_pb.ts"
import type { Found } from "../../../src/kinds/files/collecting.ts"
import { USUAL } from "../../../src/kinds/files/keeping.ts"
import { collectFileLocks, refuseLocks } from "../../../src/kinds/files/lock/collect.ts"
import { checkFileLocks, restoreFileLocks } from "../../../src/kinds/files/lock/restore.ts"
import { parseFdInfo } from "../../../src/proc/fdinfo.ts"
import { Program } from "../../../src/tracee/program.ts"

const found = (pid: number, fd: number, ...lines: string[]): Found =>
  ({
    pid,
    fd,
    target: "/x",
    stat: { nlink: 1 },
    info: parseFdInfo(["pos:\t0", "flags:\t02", "mnt_id:\t1", ...lines.map((line) => `lock:\t1: ${line}`), ""].join("\n")),
  }) as unknown as Found
const FLOCK = "FLOCK  ADVISORY  WRITE 7 fe:00:12 0 EOF"
const OFD = "OFDLCK ADVISORY  READ -1 fe:00:12 100 149"
const LEASE = "LEASE  ACTIVE    READ 7 fe:00:12 0 EOF"
const POSIX = "POSIX  ADVISORY  WRITE 7 fe:00:12 5 EOF"
const kept = { ...USUAL, fileLocks: true }

describe("locks", () => {
  const entries = collectFileLocks([
    found(7, 3, FLOCK, OFD, LEASE, POSIX),
    found(7, 4, FLOCK, OFD, LEASE, POSIX),
    found(8, 3, FLOCK, OFD, LEASE),
  ])
  test("of an open file are kept once; those of fcntl(2) belong to a process", () => {
    expect(entries.map((entry) => decode(file_lock_entrySchema, encode(file_lock_entrySchema, entry)))).toEqual([
      { flag: 2, type: 1, pid: 7, fd: 3, start: 0n, len: 0n },
      { flag: 4, type: 0, pid: 7, fd: 3, start: 100n, len: 50n },
      { flag: 8, type: 0, pid: 7, fd: 3, start: 0n, len: 0n },
      { flag: 1, type: 1, pid: 7, fd: 3, start: 5n, len: 0n },
    ])
  })

  test("are set again by calls that never wait", () => {
    const program = new Program()
    restoreFileLocks(entries, program)
    expect(program.describe().map((line) => line.replace(/"[^"]*"/, "lock"))).toEqual([
      "#0 flock(3, 6) // the lock of fd 3 (FLOCK)",
      "#1 fcntl(3, 0x25, lock) // the lock of fd 3 (OFDLCK)",
      "#2 fcntl(3, 0x400, 0) // the lock of fd 3 (LEASE)",
      "#3 fcntl(3, 6, lock) // the lock of fd 3 (POSIX)",
    ])
  })

  test.each<[string, Found, typeof kept, string | undefined]>([
    ["any without the option", found(7, 3, POSIX), USUAL, "a lock (POSIX WRITE)"],
    ["none with it", found(7, 3, POSIX, FLOCK, OFD, LEASE), kept, undefined],
    ["a lease that is being broken", found(7, 3, "LEASE  BREAKING  READ 7 fe:00:12 0 EOF"), kept, "a lease that another process waits for"],
    ["mandatory locks of old kernels", found(7, 3, "POSIX  MANDATORY WRITE 7 fe:00:12 0 EOF"), kept, "of a kind that cannot be kept"],
    [
      "a write lease of a deleted file, for reading the file would break it",
      { ...found(7, 3, "LEASE  ACTIVE    WRITE 7 fe:00:12 0 EOF"), stat: { nlink: 0 } } as Found,
      kept,
      "a write lease, which has no name any more",
    ],
  ])("refuses %s", (_, one, keeping, what) => {
    if (what === undefined) expect(refuseLocks(one, keeping)).toBeUndefined()
    else expect(refuseLocks(one, keeping)?.what).toContain(what)
  })

  test("of images must have their descriptors, and be of a known kind", () => {
    const [lock] = entries
    const infos = (pid: number) => (pid === 7 ? [{ fd: 3, id: 1, type: 1, flags: 0 }] : undefined)
    expect(() => checkFileLocks(entries, infos)).not.toThrow()
    expect(() => checkFileLocks([{ ...lock!, fd: 9 }], infos)).toThrow("no such descriptor")
    expect(() => checkFileLocks([{ ...lock!, pid: 8 }], infos)).toThrow("no such descriptor")
    expect(() => checkFileLocks([{ ...lock!, flag: 3 }], infos)).toThrow("of kind 3")
    expect(() => checkFileLocks([{ ...lock!, type: 5 }], infos)).toThrow("type 5")
  })
})
