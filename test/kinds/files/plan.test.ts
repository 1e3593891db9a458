import { describe, expect, test } from "bun:test"
import { O } from "../../../ffi/abi/file.ts"
import { decode } from "../../../proto/decode.ts"
import { encode } from "../../../proto/encode.ts"
import { fd_types, type fdinfo_entry, type file_entry, file_entrySchema } from "../../../proto/gen/fdinfo_pb.ts"
import { TtyType, type tty_info_entry, tty_info_entrySchema } from "../../../proto/gen/tty_pb.ts"
import { checkFiles, type FileCheckOptions } from "../../../src/kinds/files/check.ts"
import type { FileImages } from "../../../src/kinds/files/images.ts"
import { STRICT } from "../../../src/kinds/files/keeping.ts"
import { type FileRestoreOptions, restoreDescriptors, restoreThreadOwners } from "../../../src/kinds/files/restore.ts"
import { Program } from "../../../src/tracee/program.ts"
import { fown, NO_MORE, PLAIN_RESTORE } from "./plans.ts"

const PID = 77
const OPTIONS: FileRestoreOptions = {
  ...PLAIN_RESTORE,
  made: { ...PLAIN_RESTORE.made, terminal: 501, ghosts: new Map([[77, 502]]) },
  isBorn: (tid) => tid === PID,
}
const CHECK: FileCheckOptions = { ...STRICT, buildIdOf: () => [], shellJob: false, terminal: false, tcpEstablished: false, tcpClose: false }
const PIDS = new Set([PID])

const user = (fd: number, { id, type }: file_entry, flags = 0): fdinfo_entry => ({ fd, id, type, flags })

/** Images of these files, each through its bytes. */
function imagesOf(files: readonly file_entry[], fdinfos: readonly fdinfo_entry[], more: Partial<FileImages> = {}): FileImages {
  const entries = files.map((file) => decode(file_entrySchema, encode(file_entrySchema, file)))
  expect(entries).toEqual([...files])
  return {
    fdinfos,
    files: new Map(entries.map((file) => [file.id, file])),
    ...NO_MORE,
    ...more,
  }
}

/** The calls of a restore, in strace's notation without their numbers; placeholders are left out. */
function planOf(images: FileImages): string[] {
  const program = new Program()
  restoreDescriptors(images, program, OPTIONS)
  return program.describe().slice(images.fdinfos.length)
}

const regular = (id: number, flags: number, more: object = {}): file_entry => ({
  type: fd_types.REG,
  id,
  reg: { id, flags, pos: 0n, fown, name: "/dev/null", mode: 0o20666, build_id: [], ...more },
})

describe("regular", () => {
  const shared = regular(1, 0o102001 | 0o1300, { pos: 7n, fown: { ...fown, signum: 40, pid_type: 1, pid: PID, euid: 5 } })
  test("restoreDescriptors opens, seeks, shares and gives the owner back as another user", () => {
    const images = imagesOf([shared], [user(9, shared), user(3, shared, 1)])
    const program = new Program()
    restoreDescriptors(images, program, OPTIONS)
    expect(program.describe()).toEqual([
      "#0 dup3(0x1f4, 9, 0) // fd 9 (numbers are limited by RLIMIT_NOFILE)",
      "#1 dup3(0x1f4, 3, 0) // fd 3 (numbers are limited by RLIMIT_NOFILE)",
      '#2 openat(-100, "/dev/null\\u0000", 0x8501, 0) // "/dev/null"',
      '#3 lseek(#2, 7, 0) // the position in "/dev/null"',
      "#4 dup3(#2, 3, 0x80000) // fd 3",
      "#5 dup3(#2, 9, 0) // fd 9",
      "#6 close(#2)",
      "#7 fcntl(3, 0xa, 0x28) // the owner of fd 3",
      "#8 setresuid(0, 5, -1) // the owner of fd 3",
      '#9 fcntl(3, 0xf, "\\u0001\\u0000\\u0000\\u0000M\\u0000\\u0000\\u0000") // the owner of fd 3',
      "#10 setresuid(0, 0, -1) // the owner of fd 3",
    ])
  })

  test("a file of O_TMPFILE that has got a name is opened as a plain file", () => {
    const file = regular(1, 0o20200002)
    expect(planOf(imagesOf([file], [user(3, file)]))[0]).toContain('openat(-100, "/dev/null\\u0000", 0x102, 0)')
  })

  test("O_ASYNC is set afterwards: open(2) notes it and signs nobody up", () => {
    const file = regular(1, O.ASYNC | O.APPEND)
    expect(planOf(imagesOf([file], [user(3, file)]))).toEqual([
      '#1 openat(-100, "/dev/null\\u0000", 0x500, 0) // "/dev/null"',
      "#2 dup3(#1, 3, 0) // fd 3",
      "#3 close(#1)",
      "#4 fcntl(3, 4, 0x2400) // the flags of fd 3",
      '#5 fcntl(3, 0xf, "\\u0001\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000") // the flags of fd 3',
    ])
  })

  test("a deleted file is opened through the descriptor that the tool has made for it, and sought", () => {
    const file = regular(77, 0o2, { pos: 5n })
    expect(planOf(imagesOf([file], [user(3, file)])).slice(0, 2)).toEqual([
      '#1 openat(-100, "/proc/self/fd/502\\u0000", 0x102, 0) // "/dev/null", which is deleted',
      '#2 lseek(#1, 5, 0) // the position in "/dev/null"',
    ])
  })

  test("an O_PATH file is neither sought nor given an owner", () => {
    const file = regular(1, 0o10000000, { pos: 7n, fown: { ...fown, signum: 40 } })
    expect(planOf(imagesOf([file], [user(3, file)])).map((line) => line.split("(")[0])).toEqual(["#1 openat", "#2 dup3", "#3 close"])
  })

  test("restoreThreadOwners gives files to threads, and only those", () => {
    const file = regular(1, 0, { fown: { ...fown, pid_type: 0, pid: 78 } })
    const images = imagesOf([file], [user(3, file)])
    expect(planOf(images).some((line) => line.includes("fcntl"))).toBe(false)
    const program = new Program()
    restoreThreadOwners(images, program, OPTIONS)
    expect(program.describe()).toEqual(['#0 fcntl(3, 0xf, "\\u0000\\u0000\\u0000\\u0000N\\u0000\\u0000\\u0000") // the owner of fd 3'])
  })
})

const pipe = (id: number, pipe_id: number, flags: number): file_entry => ({ type: fd_types.PIPE, id, pipe: { id, pipe_id, flags, fown } })

describe("pipe", () => {
  test("restoreDescriptors fills a pipe and reopens what pipe2 cannot make", () => {
    const files = [pipe(1, 6, 0o4000), pipe(2, 6, 1), pipe(3, 6, 2)]
    const payload = new TextEncoder().encode("hello")
    const images = imagesOf(
      files,
      files.map((file, index) => user(index, file)),
      { pipesData: [{ message: { pipe_id: 6, bytes: 5, size: 65536 }, payload }] },
    )
    expect(planOf(images)).toEqual([
      "#3 pipe2(room[8], 0) // pipe 6",
      "#4 fcntl(u32 of room[8]+4, 0x407, 0x10000) // the size of pipe 6",
      '#5 write(u32 of room[8]+4, "hello", 5) // the content of pipe 6',
      "#6 dup3(u32 of room[8]+0, 0, 0) // pipe 6",
      "#7 dup3(u32 of room[8]+0, 0, 0) // fd 0",
      "#8 close(u32 of room[8]+0)",
      "#9 fcntl(0, 4, 0x800) // the flags of fd 0",
      "#10 dup3(u32 of room[8]+4, 1, 0) // fd 1",
      "#11 close(u32 of room[8]+4)",
      '#12 openat(-100, "/proc/self/fd/0\\u0000", 2, 0) // a further end of pipe 6',
      "#13 dup3(#12, 2, 0) // fd 2",
      "#14 close(#12)",
    ])
  })

  test("an end that nobody has is closed last", () => {
    const file = pipe(1, 6, 0)
    expect(planOf(imagesOf([file], [user(0, file)])).at(-1)).toBe("#4 close(u32 of room[8]+4)")
  })
})

describe("eventfd", () => {
  const file: file_entry = { type: fd_types.EVENTFD, id: 4, efd: { id: 4, flags: 0o4002, fown, counter: 0x1_0000_0001n } }
  test("restoreDescriptors writes the counter and knows semaphores from the extension", () => {
    const images = imagesOf([file], [user(5, file)], { extension: [{ id: 4, eventfd_semaphore: true }] })
    expect(planOf(images)).toEqual([
      "#1 eventfd2(0, 1) // eventfd 4",
      '#2 write(#1, "\\u0001\\u0000\\u0000\\u0000\\u0001\\u0000\\u0000\\u0000", 8) // eventfd 4',
      "#3 dup3(#1, 5, 0) // fd 5",
      "#4 close(#1)",
      "#5 fcntl(5, 4, 0x800) // the flags of fd 5",
    ])
  })
})

describe("tty", () => {
  const mode = {
    c_iflag: 1,
    c_oflag: 2,
    c_cflag: 3,
    c_lflag: 4,
    c_line: 0,
    c_ispeed: 0,
    c_ospeed: 0,
    c_cc: [0x1c03_0201, ...Array(18).fill(0)],
  }
  const winsize = { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }
  const state = {
    locked: false,
    exclusive: false,
    packet_mode: false,
    sid: 1,
    pgrp: 1,
    rdev: 34817,
    termios: mode,
    termios_locked: mode,
    winsize,
  }
  const info: tty_info_entry = { id: 2, type: TtyType.PTY, ...state, pty: { index: 1 } }
  const tty = (id: number): file_entry => ({ type: fd_types.TTY, id, tty: { id, tty_info_id: 2, flags: 2, fown, regf_id: 9 } })

  test("restoreDescriptors takes over the terminal of stasis and sets its mode once", () => {
    expect(decode(tty_info_entrySchema, encode(tty_info_entrySchema, info))).toEqual(info)
    const path = regular(9, 2, { name: "/dev/pts/1", mode: 0o20620 })
    const images = imagesOf([tty(1), tty(2), path], [user(0, tty(1)), user(1, tty(2))], { ttyInfos: [info] })
    const plan = planOf(images)
    expect(plan[0]).toBe('#2 openat(-100, "/proc/self/fd/501\\u0000", 0x102, 0) // terminal /dev/pts/1')
    expect(plan[1]).toStartWith("#3 ioctl(#2, 0x5402, ")
    expect(plan.filter((line) => line.includes("ioctl")).length).toBe(1)
    // The path stands for a terminal of another time: that it does not exist is no error.
    checkFiles([images], PIDS, { ...CHECK, shellJob: true, terminal: true })
  })
})

describe("checkFiles", () => {
  const file = regular(1, 0)
  const check = (images: FileImages) => () => checkFiles([images], PIDS, CHECK)

  test("accepts /dev/null", () => check(imagesOf([file], [user(0, file)]))())

  test("names what is wrong with descriptors", () => {
    expect(check(imagesOf([], [user(5, file)]))).toThrow("Cannot restore fd 5: files.img has no file 1")
    expect(check(imagesOf([file], [{ ...user(5, file), type: fd_types.PIPE }]))).toThrow("it is of type PIPE, but file 1 of type REG")
    expect(check(imagesOf([file], [user(5, file), user(5, file)]))).toThrow("the image has it twice")
    expect(check(imagesOf([file], [user(2 ** 31, file)]))).toThrow("fs.nr_open allows descriptors below")
    expect(check(imagesOf([{ type: fd_types.REG, id: 1 }], [user(5, file)]))).toThrow('it is of type 1 but has no "reg"')
    const other = { ...file, reg: { ...file.reg!, id: 2 } }
    expect(check(imagesOf([other], [user(5, other)]))).toThrow("file 1 calls itself 2")
  })

  test("refuses kinds without a row only where a descriptor has them", () => {
    const plugins: file_entry = { type: fd_types.EXT, id: 3, ext: { id: 3, fown } }
    check(imagesOf([plugins], []))()
    expect(check(imagesOf([plugins], [user(5, plugins)]))).toThrow("it is of type EXT, which is not supported yet")
  })

  test("names what is wrong with a path", () => {
    const of = (more: object) => check(imagesOf([regular(1, 0, more)], []))
    expect(of({ name: "/no/such/file" })).toThrow('Cannot restore the open file "/no/such/file": it does not exist')
    expect(of({ name: "relative" })).toThrow('"relative" is no absolute path')
    expect(of({ mode: 0o100644 })).toThrow("it is a character device now and was a regular file")
    expect(of({ mode: 0o20600 })).toThrow("its permissions are 0666 now and were 0600")
    expect(of({ ext: true })).toThrow("--external")
    expect(of({ mnt_id: 12 })).toThrow("mount 12")
    of({ mnt_id: -1 })()
    of({ name: `/proc/${PID}/maps`, mode: 0o100444 })()
  })
})
