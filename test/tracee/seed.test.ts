import { afterEach, describe, expect, test } from "bun:test"
import { closeSync, ftruncateSync } from "node:fs"
import { join } from "node:path"
import { elfHeader, elfSegment } from "../../ffi/abi/elf.ts"
import { holdInterrupts } from "../../ffi/interrupt.ts"
import { decode } from "../../ffi/layout.ts"
import { seed as program } from "../../ffi/stub/gen/x86_64.ts"
import { attempt, pathArgument, syscall } from "../../ffi/syscall.ts"
import { PAGE, remoteAddress } from "../../src/base/units.ts"
import { isUndone } from "../../src/flow/restore/release.ts"
import { findHole } from "../../src/kinds/memory/holes.ts"
import { readMaps } from "../../src/proc/maps.ts"
import { readStatus } from "../../src/proc/status.ts"
import { RESTART_BLOCK } from "../../src/tracee/arch.x86_64.ts"
import { executable } from "../../src/tracee/child.ts"
import { readMemory } from "../../src/tracee/memory.ts"
import { Program } from "../../src/tracee/program.ts"
import { SEED_SYSCALL, spawnSeed } from "../../src/tracee/seed.ts"
import { openStubArea, type StubArea, stubAreaSize, viewArea } from "../../src/tracee/stub-area.ts"
import { cleanupDeadline, deadlineIn, patienceOf, waitReport } from "../../src/tracee/wait.ts"
import { waitFor } from "../harness/deadline.ts"
import { failureOf } from "../harness/failure.ts"
import { stateOf, statusOf } from "../harness/process.ts"
import { canTrace, startTarget, why } from "./fixture.ts"

const STOP_SIGNAL = 64

/** A PID that nothing has: just below the limit, where the kernel comes last. */
function freePid(): number {
  for (let pid = 32_700; pid > 300; pid--) if (stateOf(pid) === undefined && attempt("kill", pid, 0) === -3) return pid
  throw new Error("no PID is free")
}
const late = () => ({ found: "its parent has not reaped it", next: "End its parent" })
const nobody = () => ({ name: "nobody", dying: false, late })

let seed: number | undefined
function end(pid: number): void {
  attempt("kill", pid, 9)
  while (waitReport(pid, cleanupDeadline(), "the end of the seed").kind !== "gone");
}
afterEach(() => {
  if (seed !== undefined) end(seed)
  seed = undefined
})

function start(): number {
  const pid = freePid()
  spawnSeed(pid, {}, deadlineIn(10), nobody)
  seed = pid
  return pid
}

describe("the seed's file", () => {
  test("is a static ELF of one segment, whose system call gadget is where SEED_SYSCALL says", () => {
    const file = executable(program)
    const head = decode(elfHeader, file)
    expect(head).toMatchObject({ magic: 0x464c457f, e_type: 2, e_machine: 62, e_phnum: 1, e_phoff: 64n })
    const segment = decode(elfSegment, file, 64)
    expect(segment).toMatchObject({ p_type: 1, p_flags: 5, p_vaddr: 0x400000n })
    expect(head.e_entry).toBeGreaterThanOrEqual(segment.p_vaddr)
    const at = Number(segment.p_offset + SEED_SYSCALL - segment.p_vaddr)
    expect(Buffer.from(file.subarray(at, at + 3)).toString("hex")).toBe("0f05c3")
  })
})

describe.skipIf(!canTrace)(`spawnSeed${why}`, () => {
  test("starts a process with the PID asked for: stopped, traced, without rseq or memory of the tool", () => {
    using _ = holdInterrupts()
    const pid = start()
    expect(readStatus(pid)).toMatchObject({ tgid: pid, tracerPid: process.pid, ppid: process.pid, threads: 1, state: "t" })
    const maps = readMaps(pid)
    expect(maps.filter(({ path }) => !path.startsWith("[")).length).toBe(1)
    expect(readMemory(pid, remoteAddress(SEED_SYSCALL), 2)).toEqual(Uint8Array.of(0x0f, 0x05))
  })

  test("a PID that a living process has is E_PID_TAKEN and names it", async () => {
    using target = await startTarget("idle")
    using _ = holdInterrupts()
    const owner = () => ({ name: `process ${target.pid} "target"`, dying: false, late })
    expect(failureOf(() => spawnSeed(target.pid, {}, deadlineIn(5), owner))).toMatchObject({
      code: "E_PID_TAKEN",
      found: `the PID belongs to process ${target.pid} "target"`,
      cause: { call: "clone3", errno: "EEXIST" },
    })
    expect(stateOf(target.pid)).toBe("S")
  })

  test("a PID whose owner is ending is waited for, until the deadline", async () => {
    using target = await startTarget("idle")
    using _ = holdInterrupts()
    const dying = () => ({ name: "a dying process", dying: true, late })
    expect(failureOf(() => spawnSeed(target.pid, {}, deadlineIn(0.1), dying))).toMatchObject({
      code: "E_TIMEOUT",
      found: "after 0.1 s its parent has not reaped it",
      next: "End its parent, or give a longer --timeout",
    })
    process.kill(target.pid, "SIGKILL")
    spawnSeed(target.pid, {}, deadlineIn(20), dying)
    seed = target.pid
    expect(statusOf(target.pid, "TracerPid")).toBe(`${process.pid}`)
  }, 30_000)

  test("a PID beyond the limit is E_KERNEL", () => {
    expect(failureOf(() => spawnSeed(0x7ffffff0, {}, deadlineIn(1), nobody))).toMatchObject({
      code: "E_KERNEL",
      cause: { errno: "EINVAL" },
    })
  })

  test("it dies with the tool", async () => {
    const pid = freePid()
    const child = Bun.spawn([process.execPath, join(import.meta.dir, "seeder.ts"), `${pid}`], { stdin: "ignore", stdout: "pipe" })
    const { value } = await child.stdout.getReader().read()
    expect(Buffer.from(value ?? []).toString()).toBe("started\n")
    expect(statusOf(pid, "TracerPid")).toBe(`${child.pid}`)
    child.kill("SIGKILL")
    await child.exited
    await waitFor("the end of the seed", () => stateOf(pid) === undefined || stateOf(pid) === "Z")
  })
})

describe.skipIf(!canTrace)(`openStubArea${why}`, () => {
  /** A seed with the interpreter in it, for programs of these sizes together. */
  function withStubArea(step: (pid: number, stubArea: StubArea) => void, ...programs: Program[]): void {
    using _ = holdInterrupts()
    const file = syscall("memfd_create", pathArgument("area"), 0)
    try {
      ftruncateSync(file, stubAreaSize(programs))
      using area = viewArea(file, stubAreaSize(programs))
      const pid = start()
      const { start: at } = findHole(readMaps(pid), 1n << 30n)
      step(pid, openStubArea(pid, area, { fd: file, start: at, stubSignal: STOP_SIGNAL, patience: patienceOf(10) }))
    } finally {
      closeSync(file)
    }
  }

  test("runs a program in the seed and takes itself away", () => {
    const program = new Program()
    const [pidOf, parent] = [program.call("getpid"), program.call("getppid")]
    const name = program.room(16)
    program.call("prctl", 16 /* PR_GET_NAME */, name)
    withStubArea((pid, stubArea) => {
      const before = readMaps(pid).length
      const answers = stubArea.run([{ pid, tid: pid, program }]).get(pid)!
      expect([answers.of(pidOf), answers.of(parent)]).toEqual([BigInt(pid), BigInt(process.pid)])
      expect(answers.bytes(name).length).toBe(16)
      const area = readMaps(pid).filter(({ start, end }) => start < stubArea.end && end > stubArea.start)
      expect(area.map(({ exec, write }) => [exec, write])).toEqual([
        [true, false],
        [false, true],
      ])
      stubArea.remove([pid])
      expect(readMaps(pid).length).toBe(before - 2)
    }, program)
  })

  test("somebody's SIGSTOP is kept for the release, and stops nothing until then", () => {
    const program = new Program()
    const pidOf = program.call("getpid")
    withStubArea((pid, stubArea) => {
      expect(stubArea.stops.size).toBe(0)
      attempt("kill", pid, 19)
      expect(
        stubArea
          .run([{ pid, tid: pid, program }])
          .get(pid)!
          .of(pidOf),
      ).toBe(BigInt(pid))
      expect([...stubArea.stops]).toEqual([pid])
      expect(stateOf(pid)).toBe("t")
      expect(isUndone(pid)).toBe(false)
      attempt("kill", pid, 18)
      expect(isUndone(pid)).toBe(true)
    }, program)
  })

  test("a failed call names thread and process; a signal of the program's own making is E_RESTORE", () => {
    const wrong = new Program()
    wrong.callWith({ about: "a place" }, "munmap", 1, PAGE)
    const fault = new Program()
    fault.call("dup", fault.loadU32({ kind: "data", offset: 1 << 30, size: 4 }))
    withStubArea(
      (pid, stubArea) => {
        expect(failureOf(() => stubArea.run([{ pid, tid: pid, program: wrong }]))).toMatchObject({
          call: "munmap",
          errno: "EINVAL",
          where: ` for a place in thread ${pid} of the new process ${pid}`,
        })
        expect(failureOf(() => stubArea.run([{ pid, tid: pid, program: fault }]))).toMatchObject({
          code: "E_RESTORE",
          found: expect.stringMatching(/^thread \d+ got signal 11 at 0x/),
        })
      },
      wrong,
      fault,
    )
  })

  test("a program that ends the process is E_RESTORE", () => {
    const program = new Program()
    program.call("exit_group", 3)
    withStubArea((pid, stubArea) => {
      expect(failureOf(() => stubArea.run([{ pid, tid: pid, program }]))).toMatchObject({
        code: "E_RESTORE",
        found: `thread ${pid} ended with wait status 0x300`,
      })
      seed = undefined
    }, program)
  })

  test("interruptCall leaves a sleep in its restart block", () => {
    withStubArea((pid, stubArea) => {
      const time = new Uint8Array(BigUint64Array.of(100n, 0n).buffer)
      expect(stubArea.interruptCall(pid, pid, "nanosleep", (data) => [data, 0], time)).toBe(RESTART_BLOCK)
    })
  })
})
