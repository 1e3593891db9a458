import { describe, expect, test } from "bun:test"
import { decode, encodeInto } from "../../ffi/layout.ts"
import { ARGUMENT, EXPECTED_ERRNO, MAY_FAIL, NONE_FAILED, NOT_BEGUN, stubHeader, stubRecord } from "../../ffi/stub/record.ts"
import { syscallNumber } from "../../ffi/syscall.ts"
import { Program } from "../../src/tracee/program.ts"

const ADDRESS = 0x7000_0000_0000n
const WHO = { pid: 10, tid: 12, signal: 23 }

const recordOf = (image: Uint8Array, index: number) => decode(stubRecord, image, stubHeader.size + index * stubRecord.size)
/** Writes what the stub would have written. */
const answer = (image: Uint8Array, index: number, result: bigint): void =>
  encodeInto(stubRecord, image, { result }, stubHeader.size + index * stubRecord.size)
/** As the stub leaves a program that ran to its end. */
const ran = (image: Uint8Array): void => encodeInto(stubHeader, image, { failed: NONE_FAILED })
const fail = (image: Uint8Array, index: number): void => encodeInto(stubHeader, image, { failed: index })

describe("Program.place", () => {
  test("an empty program is a header alone", () => {
    const program = new Program()
    expect([program.length, program.size]).toEqual([0, stubHeader.size])
    expect(decode(stubHeader, program.place(ADDRESS, WHO))).toMatchObject({ ...WHO, count: 0, cleanup: 0, failed: NOT_BEGUN, frame: 0n })
  })

  test("the header has the runner's members, counts, and nothing to undo", () => {
    const program = new Program()
    program.call("getpid")
    program.call("getppid")
    const image = program.place(ADDRESS, { ...WHO, frame: 0x1008n, protect: 0x2000n, protectSize: 4096 })
    expect(image.length).toBe(program.size)
    expect(decode(stubHeader, image)).toEqual({
      ...WHO,
      count: 2,
      cleanup: 2,
      failed: NOT_BEGUN,
      frame: 0x1008n,
      protect: 0x2000n,
      protectSize: 4096n,
      restartStack: 0n,
      restartMask: 0n,
      restartResult: 0n,
      rseqAt: 0n,
      rseqCs: 0n,
    })
  })

  test("a record has number and literal arguments, missing ones 0, negative ones sign-extended", () => {
    const program = new Program()
    program.call("mmap", 0, 4096n, 3, 0x22, -1, 1n << 40n)
    program.call("close", 7)
    const image = program.place(ADDRESS, WHO)
    expect(recordOf(image, 0)).toEqual({
      number: syscallNumber("mmap"),
      flags: 0,
      argument0: 0n,
      argument1: 4096n,
      argument2: 3n,
      argument3: 0x22n,
      argument4: 0xffff_ffff_ffff_ffffn,
      argument5: 1n << 40n,
      result: 0n,
    })
    expect(recordOf(image, 1)).toMatchObject({ number: syscallNumber("close"), argument0: 7n, argument1: 0n, argument5: 0n })
  })

  test("earlier results and loaded values are marked two bits an argument", () => {
    const program = new Program()
    const pair = program.room(8)
    program.call("pipe2", pair, 0)
    const first = program.call("dup", program.loadU32(pair, 4))
    program.call("dup3", first, program.loadU64(pair), 0)
    const image = program.place(ADDRESS, WHO)
    const data = ADDRESS + BigInt(Math.ceil((stubHeader.size + 3 * stubRecord.size) / 64) * 64)
    expect(recordOf(image, 0)).toMatchObject({ flags: ARGUMENT.literal, argument0: data })
    expect(recordOf(image, 1)).toMatchObject({ flags: ARGUMENT.u32At, argument0: data + 4n })
    expect(recordOf(image, 2)).toMatchObject({ flags: ARGUMENT.result | (ARGUMENT.u64At << 2), argument0: 1n, argument1: data })
  })

  test("what may fail, or answer one errno, is in the flags beside the arguments", () => {
    const program = new Program()
    const first = program.callWith({ mayFail: true }, "getpid")
    program.callWith({ expects: "EEXIST" }, "kill", 0, 0, 0, 0, 0, first)
    const image = program.place(ADDRESS, WHO)
    expect(recordOf(image, 0).flags).toBe(MAY_FAIL)
    expect(recordOf(image, 1).flags).toBe((17 << EXPECTED_ERRNO) | (ARGUMENT.result << 10))
  })

  test("data follows the records, 64-aligned; parts are 16-aligned or as asked; strings end with NUL", () => {
    const program = new Program()
    program.call("getpid")
    const text = program.string("abc")
    const wide = program.bytes(Uint8Array.of(1, 2), 64)
    const room = program.room(3)
    expect([text, wide, room].map(({ offset, size }) => [offset, size])).toEqual([
      [0, 4],
      [64, 2],
      [80, 3],
    ])
    const image = program.place(ADDRESS, WHO)
    const start = stubHeader.size + stubRecord.size
    expect(image.length).toBe(start + 83)
    expect([...image.subarray(start, start + 4)]).toEqual([97, 98, 99, 0])
    expect([...image.subarray(start + 64, start + 83)]).toEqual([1, 2, ...new Array(17).fill(0)])
  })

  test("a pointer inside data becomes the address of its target, wherever the program is placed", () => {
    const program = new Program()
    const vector = program.room(16)
    program.point(vector, 8, program.string("target"))
    for (const address of [ADDRESS, 0x10000n]) {
      const view = new DataView(program.place(address, WHO).buffer)
      expect(view.getBigUint64(stubHeader.size + 8, true)).toBe(address + BigInt(stubHeader.size) + 16n)
    }
  })

  test("cleanup begins where it was first said", () => {
    const program = new Program()
    program.call("getpid")
    program.cleanup()
    program.call("getppid")
    program.cleanup()
    expect(decode(stubHeader, program.place(ADDRESS, WHO)).cleanup).toBe(1)
  })

  test("a program can be placed again: nothing of an earlier run is left in it", () => {
    const program = new Program()
    program.call("getpid")
    const first = program.place(ADDRESS, WHO)
    answer(first, 0, 5n)
    expect(recordOf(program.place(ADDRESS, WHO), 0).result).toBe(0n)
  })
})

describe("a program that many threads run", () => {
  const make = (): Program => {
    const program = new Program()
    const room = program.room(24)
    const text = program.string("text")
    program.point(room, 8, text)
    const first = program.callWith({ mayFail: true }, "prctl", 1, room, text)
    program.callWith({ expects: "ENOENT" }, "kcmp", first, program.loadU32(room, 4), program.loadU64(room), -1, 2n ** 63n)
    return program
  }
  const fresh = (address: bigint) => make().place(address, WHO)

  test("is the same, byte for byte, wherever and however often it is placed", () => {
    const program = make()
    for (let time = 0; time < 4; time++) {
      const address = ADDRESS + BigInt(time) * 4096n
      expect([time, program.place(address, WHO)]).toEqual([time, fresh(address)])
    }
  })

  test("is written anew when something was appended", () => {
    const [program, other] = [make(), make()]
    for (let time = 0; time < 3; time++) program.place(ADDRESS, WHO)
    for (const one of [program, other]) one.call("write", 1, one.string("more"), 4)
    for (let time = 0; time < 3; time++) expect(program.place(ADDRESS, WHO)).toEqual(other.place(ADDRESS, WHO))
  })
})

describe("Program.answers", () => {
  test("gives results and data by their references", () => {
    const program = new Program()
    const room = program.room(4)
    const result = program.call("getcwd", room, 4)
    const image = program.place(ADDRESS, WHO)
    answer(image, 0, -34n)
    image.set([9, 8, 7, 6], stubHeader.size + stubRecord.size)
    ran(image)
    const answers = program.answers(image, "")
    expect(answers.of(result)).toBe(-34n)
    expect([...answers.bytes(room)]).toEqual([9, 8, 7, 6])
  })

  test("a program that never began is no answer", () => {
    const program = new Program()
    program.call("getpid")
    expect(() => program.answers(program.place(ADDRESS, WHO), " in thread 12")).toThrow("Cannot run anything in thread 12")
  })

  test("a failed record is a SyscallError that names call, arguments, errno, object and thread", () => {
    const program = new Program()
    program.call("getpid")
    program.callWith({ about: 'fd 5 "/tmp/x"' }, "openat", -100, program.string("/tmp/x"), 2)
    const image = program.place(ADDRESS, WHO)
    answer(image, 1, -13n)
    fail(image, 1)
    expect(() => program.answers(image, " in thread 12")).toThrow(
      expect.objectContaining({
        name: "SyscallError",
        call: "openat",
        errno: "EACCES",
        message: 'openat(-100, 0x0, 0x2) for fd 5 "/tmp/x" in thread 12 answered EACCES: permission denied',
      }),
    )
  })

  test("an answer other than the only right one is an error, wherever it stands", () => {
    const program = new Program()
    program.callWith({ returns: 4096n, about: "pages at 0x1000" }, "pread64", 3, 0x1000n, 4096n, 0)
    const image = program.place(ADDRESS, WHO)
    answer(image, 0, 100n)
    ran(image)
    expect(() => program.answers(image, " in thread 12")).toThrow("pread64 for pages at 0x1000 in thread 12 answered 100 instead of 4096")
    answer(image, 0, 4096n)
    expect(() => program.answers(image, "")).not.toThrow()
  })

  test("a record that does not exist cannot have failed", () => {
    const image = new Program().place(ADDRESS, WHO)
    fail(image, 3)
    expect(() => new Program().answers(image, "")).toThrow("Unreachable")
  })
})

describe("Program.describe", () => {
  test("shows one call a line, with references, data and what is expected", () => {
    const program = new Program()
    const pair = program.room(8)
    program.call("pipe2", pair, 0o4000)
    const copy = program.callWith({ mayFail: true }, "dup", program.loadU32(pair, 4))
    program.callWith({ expects: "EBADF", about: "the placeholder" }, "close", copy)
    program.call("openat", -100, program.string("/etc/passwd"), 9)
    program.call("brk", program.loadU64(pair))
    expect(program.describe()).toEqual([
      "#0 pipe2(room[8], 0x800)",
      "#1 dup(u32 of room[8]+4) = any",
      "#2 close(#1) = 0 or EBADF // the placeholder",
      '#3 openat(-100, "/etc/passwd\\u0000", 9)',
      "#4 brk(u64 of room[8]+0)",
    ])
  })

  test("shows text in full, and other bytes cut as strace does", () => {
    const program = new Program()
    const path = `/${"long".repeat(20)}`
    program.call("chdir", program.string(path))
    program.call("write", 1, program.bytes(new Uint8Array(33).fill(1)), 33)
    const [text = "", bytes = ""] = program.describe()
    expect(text).toContain(`"${path}\\u0000")`)
    expect(bytes).toBe(`#1 write(1, "${"\\u0001".repeat(32)}"..., 0x21)`)
  })
})
