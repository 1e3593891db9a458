import { describe, expect, test } from "bun:test"
import { ALL_SIGNALS, SIG, sigbit } from "../../ffi/abi/signal.ts"
import { holdInterrupts } from "../../ffi/interrupt.ts"
import { allocate } from "../../ffi/syscall.ts"
import { type Range, remoteAddress } from "../../src/base/units.ts"
import { untouchedPages } from "../../src/flow/dump/frame-pages.ts"
import { findTerms, removableLeftovers } from "../../src/flow/dump/terms.ts"
import { readMaps } from "../../src/proc/maps.ts"
import { type MappingDetail, readSmaps } from "../../src/proc/smaps.ts"
import { stubCode } from "../../src/tracee/arch.x86_64.ts"
import type { FrozenThread } from "../../src/tracee/frozen.ts"
import { findGadgets } from "../../src/tracee/gadgets.ts"
import { framePagesSize, marked } from "../../src/tracee/host.ts"
import { codePage, findLeftovers } from "../../src/tracee/leftover.ts"
import { readMemory, writeMemory } from "../../src/tracee/memory.ts"
import { chooseStubSignal, type SignalUse } from "../../src/tracee/stub-signal.ts"
import { patienceOf } from "../../src/tracee/wait.ts"
import { borrow } from "./borrow.ts"
import { canTrace, freeze, startTarget, termsOf, why } from "./fixture.ts"

/** Bytes below a frame that a handler may need. */
const HANDLER_ROOM = 16384n

describe("chooseStubSignal", () => {
  const set = (...signals: number[]): bigint => signals.reduce((bits, signal) => bits | sigbit(signal), 0n)
  const { URG, WINCH, CHLD, CONT, PIPE, TTOU } = SIG
  const four = set(URG, WINCH, CHLD, CONT)
  const rows: readonly (readonly [string, Partial<SignalUse>, number | undefined])[] = [
    ["nothing in use: SIGURG", {}, URG],
    ["SIGURG caught (Go): SIGWINCH", { caught: set(URG) }, WINCH],
    ["SIGURG pending", { blocked: set(URG), pending: set(URG) }, WINCH],
    ["the best blocked: the next that is not", { blocked: set(URG, WINCH) }, CHLD],
    ["all blocked: the best, for a blocked one is not lost", { blocked: ALL_SIGNALS }, URG],
    ["all but one caught", { caught: set(URG, WINCH, CHLD) }, CONT],
    ["SIGCONT is no choice while a stop is pending", { caught: set(URG, WINCH, CHLD), pending: set(SIG.TSTP) }, undefined],
    ["SIGCONT is no choice while SIGSTOP is pending", { caught: set(URG, WINCH, CHLD), pending: set(SIG.STOP) }, undefined],
    ["a pending stop is no matter while another is free", { caught: set(URG), pending: set(SIG.TTIN) }, WINCH],
    ["an unblocked SIGCONT before a blocked SIGURG", { caught: set(WINCH, CHLD), blocked: set(URG) }, CONT],
    ["all four caught: none", { caught: four }, undefined],
    ["all pending: none", { blocked: ALL_SIGNALS, pending: ALL_SIGNALS }, undefined],
    ["all four caught: SIGPIPE where it is ignored", { caught: four, ignored: set(PIPE, TTOU) }, PIPE],
    ["and one that stops (ksh at its prompt)", { caught: four, ignored: set(TTOU, SIG.TTIN) }, TTOU],
    ["but not while SIGCONT is pending, which it would drop", { caught: four, ignored: set(TTOU), pending: set(CONT) }, undefined],
    ["one that stops and is not ignored: none", { caught: four, ignored: set(SIG.INT) }, undefined],
  ]
  const nothing: SignalUse = { caught: 0n, ignored: 0n, blocked: 0n, pending: 0n }
  for (const [name, use, signal] of rows) test(name, () => expect(chooseStubSignal({ ...nothing, ...use })).toBe(signal))
})

describe("codePage", () => {
  test("is one page: the interpreter at its start, the size of the area at its end", () => {
    const page = codePage(0x7000)
    expect(page.length).toBe(4096)
    expect(stubCode.equals(page.subarray(0, stubCode.length))).toBe(true)
    expect(stubCode.length).toBeLessThan(4096 - 8)
    expect(new DataView(page.buffer).getBigUint64(4088, true)).toBe(0x7000n)
  })
})

describe("removableLeftovers", () => {
  test("keeps all while a thread of any process with this memory is on its way through one", () => {
    const size = 0x3000
    const room = allocate(size)
    room.bytes.set(codePage(size))
    const area = { start: BigInt(room.address), end: BigInt(room.address + size) }
    const mapping = { ...area, exec: true, write: false, inode: 0n, path: "" } as unknown as MappingDetail
    const at = (ip: bigint, mask = 0n) => ({ mask, registers: { ip } }) as FrozenThread
    const leftovers = (...users: FrozenThread[]) => removableLeftovers(process.pid, users, [mapping])
    expect(leftovers(at(0n), at(0n))).toEqual([area])
    expect(leftovers(at(0n), at(area.start + 10n))).toEqual([])
    expect(leftovers(at(0n), at(0n, ALL_SIGNALS & ~sigbit(SIG.URG)))).toEqual([])
  })
})

describe.skipIf(!canTrace)(`a live target${why}`, () => {
  test("findGadgets finds a system call with a return and a signal return, in libc", async () => {
    using target = await startTarget("idle")
    const code = readMaps(target.pid).filter(({ exec, path }) => exec && path !== "[vsyscall]")
    const gadgets = findGadgets(target.pid, code)
    expect(gadgets).toBeDefined()
    const { syscall, signalReturn } = gadgets!
    expect(Buffer.from(readMemory(target.pid, syscall, 3)).toString("hex")).toBe("0f05c3")
    expect(Buffer.from(readMemory(target.pid, signalReturn!, 9)).toString("hex")).toMatch(/^(?:48c7c00f0000000f05|b80f0000000f05)/)
    const holder = code.find(({ start, end }) => signalReturn! >= start && signalReturn! < end)
    expect(holder?.path).toMatch(/libc/)
  })

  test("the pages that a killed run left with its mark are taken again, and others' data never", async () => {
    using target = await startTarget("idle")
    using _ = holdInterrupts()
    using frozen = freeze(target.pid)
    const first = termsOf(frozen).framePages
    writeMemory(target.pid, first, marked(framePagesSize(frozen)).fill(7, 0, 100))
    expect(termsOf(frozen).framePages).toBe(first)
    writeMemory(target.pid, first, new Uint8Array(framePagesSize(frozen)).fill(7))
    expect(termsOf(frozen).framePages).not.toBe(first)
  })

  test("processes that share their memory get pages apart, for each a return of its own", async () => {
    using target = await startTarget("idle")
    using _ = holdInterrupts()
    using frozen = freeze(target.pid)
    const [mappings, size] = [readSmaps(target.pid), framePagesSize(frozen)]
    const pointers = frozen.threads.map(({ registers }) => registers.sp)
    const rounds = [1, 2].map(() => {
      const taken: Range[] = []
      for (let sharer = 0; sharer < 3; sharer++) {
        const start = untouchedPages(target.pid, mappings, size, pointers, true, taken)!
        // With room below for the frame of a handler, which must meet no other.
        const end = start + BigInt(size)
        expect(taken.filter((range) => start - HANDLER_ROOM < range.end && end + HANDLER_ROOM > range.start)).toEqual([])
        taken.push({ start, end: start + BigInt(size) })
      }
      for (const { start } of taken) writeMemory(target.pid, remoteAddress(start), marked(size))
      return taken
    })
    // The second dump takes no more of what nobody has touched.
    expect(rounds[1]).toEqual(rounds[0])
  })

  test("pages have room below for the frame of a handler, which a signal before the mask would lay there", async () => {
    using target = await startTarget("idle")
    using _ = holdInterrupts()
    using frozen = freeze(target.pid)
    const size = framePagesSize(frozen)
    const pointers = frozen.threads.map(({ registers }) => registers.sp)
    const mappings = readSmaps(target.pid)
    for (const some of [mappings, mappings.filter(({ path }) => path !== "[stack]")]) {
      const start = untouchedPages(target.pid, some, size, pointers, true)!
      const holder = some.find((mapping) => start >= mapping.start && start < mapping.end)!
      expect(start - HANDLER_ROOM).toBeGreaterThanOrEqual(holder.start)
      const entries = Bun.file(`/proc/${target.pid}/pagemap`).slice(Number((start - HANDLER_ROOM) / 512n), Number(start / 512n))
      expect(await entries.bytes()).toEqual(new Uint8Array(Number(HANDLER_ROOM / 512n)))
    }
  })

  test("in a main stack that no stack pointer is in (Go), pages of an earlier dump are found again while they stand alone", async () => {
    using target = await startTarget("idle")
    using _ = holdInterrupts()
    using frozen = freeze(target.pid)
    const [mappings, size] = [readSmaps(target.pid), framePagesSize(frozen)]
    const pages = () => untouchedPages(target.pid, mappings, size, [], true)!
    const first = pages()
    writeMemory(target.pid, first, new Uint8Array(size))
    expect(pages()).toBe(first)
    writeMemory(target.pid, remoteAddress(first + BigInt(size)), new Uint8Array(8))
    expect(pages()).not.toBe(first)
  })

  test("what a killed run left holds no frame: it may be given away before a thread has come by that", async () => {
    using target = await startTarget("idle")
    using _ = holdInterrupts()
    using frozen = freeze(target.pid)
    const terms = termsOf(frozen)
    using loan = borrow(frozen, terms, 5 * 4096, patienceOf(20))
    const area = readSmaps(target.pid).find(({ start, end }) => start <= loan.area.start && end >= loan.area.end)!
    // As it is once it was let run: no thread has touched its end.
    const data = { ...area, ...loan.area, start: loan.area.start + 4096n, exec: false, write: true }
    const code = { ...area, ...loan.area, end: loan.area.start + 4096n }
    const framePages = (...mappings: MappingDetail[]) => findTerms(frozen, [], frozen.threads, mappings, terms.gadgets, []).framePages
    expect(framePages(data)).toBeGreaterThan(loan.area.start)
    expect(framePages(code, data)).toBeUndefined()
  })

  test("droppable memory holds no frame", async () => {
    using target = await startTarget("idle")
    using _ = holdInterrupts()
    using frozen = freeze(target.pid)
    const writable = readSmaps(target.pid).filter(({ write, path, inode }) => write && path !== "[stack]" && inode === 0n)
    const droppable = writable.map((mapping) => ({ ...mapping, vmFlags: new Set([...mapping.vmFlags, "dp"]) }))
    const size = framePagesSize(frozen)
    expect(untouchedPages(target.pid, writable, size, [], true)).toBeDefined()
    expect(untouchedPages(target.pid, droppable, size, [], true)).toBeUndefined()
  })

  test("findGadgets is content with a bare system call, and says undefined without one", async () => {
    using target = await startTarget("idle")
    const maps = readMaps(target.pid)
    const vdso = maps.filter(({ path }) => path === "[vdso]")
    const plain = findGadgets(target.pid, vdso)
    if (plain) expect(plain.signalReturn).toBeUndefined()
    expect(findGadgets(target.pid, [])).toBeUndefined()
    const unreadable = [{ start: 0x1000n, end: 0x3000n, path: "", offset: 0n, inode: 0n, devMajor: 0, devMinor: 0 }]
    expect(findGadgets(target.pid, unreadable)).toBeUndefined()
  })

  test("findLeftovers finds nothing in code of the program's own", async () => {
    using target = await startTarget("idle")
    expect(findLeftovers(target.pid, readMaps(target.pid))).toEqual([])
    expect(findLeftovers(target.pid, [{ start: remoteAddress(0x1000), end: 0x2000n }])).toEqual([])
  })
})
