import { describe, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { holdInterrupts } from "../../ffi/interrupt.ts"
import { memoryAt } from "../../ffi/kernel.ts"
import {
  allocate,
  attempt,
  errnoName,
  isFailure,
  pathArgument,
  SyscallError,
  syscall,
  syscallName,
  syscallNumber,
} from "../../ffi/syscall.ts"

function failureOf(step: () => unknown): unknown {
  try {
    step()
  } catch (error) {
    return error
  }
  throw new Error("nothing was thrown")
}

describe("syscall", () => {
  test("returns the kernel's answer", () => {
    expect(syscall("getpid")).toBe(process.pid)
    expect(syscall("gettid")).toBe(process.pid)
  })

  test("makes a call again that the tool's own timer has interrupted", () => {
    using _ = holdInterrupts()
    const room = allocate(4096)
    const timer = syscall("timerfd_create", 1 /* CLOCK_MONOTONIC */, 0)
    room.view.setBigUint64(24, 100_000_000n, true) // ns, beyond several ticks
    syscall("timerfd_settime", timer, 0, room.address, 0)
    expect(syscall("read", timer, room.address, 8)).toBe(8)
    expect(syscall("close", timer)).toBe(0)
  })

  test("passes six arguments, in order", () => {
    const address = syscall("mmap", 0, 4096, 3, 0x22, -1, 0)
    expect(memoryAt(address, 4096).bytes.every((byte) => byte === 0)).toBe(true)
    // mremap(old, 4096, 8192, MREMAP_MAYMOVE): the fourth argument goes through another register than in C
    const moved = syscall("mremap", address, 4096, 8192, 1)
    expect(syscall("munmap", moved, 8192)).toBe(0)
    const fd = syscall("openat", -100, pathArgument("/proc/self/exe"), 0)
    expect(failureOf(() => syscall("mmap", 0, 4096, 1, 2, fd, 1))).toMatchObject({ errno: "EINVAL" }) // the offset is no page
    syscall("close", fd)
  })

  test("throws an error that names call, arguments, errno and its meaning", () => {
    const error = failureOf(() => syscall("openat", -100, pathArgument("/no/such/file"), 0x80000))
    expect(error).toBeInstanceOf(SyscallError)
    expect(error).toMatchObject({ name: "SyscallError", call: "openat", errno: "ENOENT", where: "" })
    const { args, message } = error as SyscallError
    expect(args).toEqual([-100, pathArgument(""), 0x80000])
    expect(message).toBe(`openat(-100, 0x${pathArgument("").toString(16)}, 0x80000) answered ENOENT: no such file or directory`)
  })

  test("negative numbers are sign-extended, 64-bit ones are whole", () => {
    expect(attempt("close", -1)).toBe(-9)
    expect(attempt("kill", process.pid, 0n)).toBe(0)
    expect(attempt("munmap", 0xffff_ffff_ffff_f000n, 4096)).toBe(-22)
  })
})

describe("attempt", () => {
  test("answers -errno", () => {
    expect(attempt("close", 999_999)).toBe(-9)
    expect(attempt("read", 999_999, 0, 0)).toBe(-9)
  })

  test("a call that this architecture lacks is ENOSYS", () => {
    const absent = process.arch === "x64" ? "sync_file_range2" : "open"
    expect(syscallNumber(absent as "open")).toBe(0xffff)
    expect(attempt(absent as "open")).toBe(-38)
  })
})

describe("names", () => {
  test("isFailure is true for -1 to -4095 only", () => {
    expect([-4096, -4095, -1, 0, 1].map(isFailure)).toEqual([false, true, true, false, false])
  })

  test("numbers have names, unknown ones too", () => {
    expect(syscallName(syscallNumber("openat"))).toBe("openat")
    expect(syscallName(100_000)).toBe("syscall_100000")
    expect(errnoName(2)).toBe("ENOENT")
    expect(errnoName(516)).toBe("ERESTART_RESTARTBLOCK")
    expect(errnoName(4000) as string).toBe("errno 4000")
  })

  test("an error in another task says where", () => {
    expect(new SyscallError("mmap", "ENOMEM", [0n, 4096n], " in thread 7").message).toBe(
      "mmap(0x0, 0x1000) in thread 7 answered ENOMEM: cannot allocate memory",
    )
  })
})

describe("memory", () => {
  test("allocate gives zeroed whole pages at the address it says", () => {
    const memory = allocate(5000)
    expect(memory.address % 4096).toBe(0)
    expect(memory.bytes.length).toBe(8192)
    expect(memory.bytes.every((byte) => byte === 0)).toBe(true)
    memory.view.setUint32(4, 0xdeadbeef, true)
    expect(memoryAt(memory.address + 4, 4).view.getUint32(0, true)).toBe(0xdeadbeef)
  })

  test("pathArgument ends with NUL, also after a longer path, and takes any letters", () => {
    pathArgument("/a/much/longer/path/than/the/next/one")
    const path = Buffer.from("/tmp/ä\0")
    expect(Buffer.from(memoryAt(pathArgument("/tmp/ä"), path.length).bytes)).toEqual(path)
  })

  test("the page of the system call instruction is executable and not writable", () => {
    const maps = readFileSync("/proc/self/maps", "latin1").split("\n")
    expect(maps.some((line) => /^[0-9a-f-]+ r-xp 00000000 00:00 0\s*$/.test(line))).toBe(true)
  })
})
