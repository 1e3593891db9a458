import { describe, expect, test } from "bun:test"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import * as abi from "../../../ffi/abi/seccomp.ts"
import { syscallNumber } from "../../../ffi/syscall.ts"
import type { thread_core_entry } from "../../../proto/gen/core_pb.ts"
import { seccomp_entrySchema } from "../../../proto/gen/seccomp_pb.ts"
import { collectSeccomp, FilterTable, forbidden, refuseListeners, type Seccomp, UNFILTERED } from "../../../src/kinds/seccomp/collect.ts"
import { isFiltered, planSeccomp, savedSeccomp } from "../../../src/kinds/seccomp/restore.ts"
import { chainAction, letsThrough, mayNotify, runFilter } from "../../../src/kinds/seccomp/verdict.ts"
import { canCompile, evaluate } from "../../ffi/compiled.ts"
import { compiler } from "../../harness/compile.ts"
import { scratch } from "../../harness/folders.ts"
import { throughBytes } from "../fixture.ts"
import { answer, assemble, dice, LOAD_NUMBER, loadArgument, randomFilter, refusing } from "./assemble.ts"

const { SECCOMP_RET, SECCOMP_MODE } = abi
const ENOSYS = 38

test.skipIf(!canCompile)("ABI of seccomp: constants and layouts are the C compiler's", () => {
  const rows: [string, number][] = [
    ...Object.entries(SECCOMP_RET).map(([name, value]): [string, number] => [`SECCOMP_RET_${name}`, value]),
    ...Object.entries(SECCOMP_MODE).map(([name, value]): [string, number] => [`SECCOMP_MODE_${name}`, value]),
    ...Object.entries(abi.SECCOMP_FILTER_FLAG).map(([name, value]): [string, number] => [`SECCOMP_FILTER_FLAG_${name}`, value]),
    ["SECCOMP_SET_MODE_FILTER", abi.SECCOMP_SET_MODE_FILTER],
    ["SECCOMP_RET_ACTION_FULL", abi.SECCOMP_RET_ACTION_FULL],
    ["PR_SET_SECCOMP", abi.PR_SET_SECCOMP],
    ["BPF_MAXINSNS", abi.MOST_INSTRUCTIONS],
    ["AUDIT_ARCH_X86_64", abi.AUDIT_ARCH_X86_64],
  ]
  for (const [type, layout] of [
    ["struct seccomp_data", abi.seccompData],
    ["struct seccomp_metadata", abi.seccompMetadata],
    ["struct sock_filter", abi.sockFilter],
    ["struct sock_fprog", abi.sockFprog],
  ] as const) {
    rows.push([`sizeof(${type})`, layout.size])
    for (const [field, [offset]] of Object.entries(layout.fields)) rows.push([`offsetof(${type}, ${field})`, offset])
  }
  const headers = ["linux/seccomp.h", "linux/filter.h", "linux/audit.h", "linux/prctl.h", "linux/ptrace.h"]
  const found = evaluate(
    headers,
    rows.map(([expression]) => expression),
  )
  expect(rows.map(([name], i) => [name, Number(BigInt.asUintN(32, found[i] ?? -1n))])).toEqual(rows)
})

test.skipIf(!canCompile)(
  "runFilter answers what the kernel answers, for random filters and calls",
  () => {
    const folder = scratch("judge")
    const [program, cases] = [join(folder, "judge"), join(folder, "cases")]
    const built = Bun.spawnSync([compiler() ?? "cc", "-O1", "-Wall", "-Wextra", "-o", program, join(import.meta.dir, "judge.c")])
    expect(built.stderr.toString()).toBe("")
    const roll = dice(20)
    const asked = Array.from({ length: 400 }, () => ({
      filter: randomFilter(roll),
      // No kernel has these: what is let through answers ENOSYS.
      nr: 2000 + roll(8),
      args: Array.from({ length: 6 }, () => (BigInt(roll(2 ** 31)) << 33n) | BigInt(roll(64))),
    }))
    writeFileSync(
      cases,
      Buffer.concat(
        asked.flatMap(({ filter, nr, args }) => [
          new Uint8Array(new Uint32Array([filter.length / 8]).buffer),
          filter,
          new Uint8Array(new Uint32Array([nr]).buffer),
          new Uint8Array(new BigUint64Array(args).buffer),
        ]),
      ),
    )
    const told = Bun.spawnSync([program, cases]).stdout.toString().trim().split("\n").map(Number)
    const ours = asked.map(({ filter, nr, args }) => {
      const value = runFilter(filter, { nr, args })
      return value === SECCOMP_RET.ALLOW ? ENOSYS : value === 0 ? -1 : value - SECCOMP_RET.ERRNO
    })
    expect(told).toEqual(ours)
    // Not all of them are the same, and most are judged at all.
    expect(new Set(told).size).toBeGreaterThan(10)
    expect(told.filter((value) => value < 0).length).toBeLessThan(told.length / 4)
  },
  30_000,
)

describe("chains", () => {
  const kill = assemble([LOAD_NUMBER, [0x15, 39, 0, 1], answer(SECCOMP_RET.KILL_PROCESS), answer(SECCOMP_RET.ALLOW)])

  test("of several filters the strictest counts, whatever its age", () => {
    const calls = [39, 110, 1].map((nr) => ({ nr }))
    for (const chain of [
      [refusing(39, 1), kill, refusing(110, 2)],
      [refusing(110, 2), kill, refusing(39, 1)],
    ])
      expect(calls.map((call) => chainAction(chain, call))).toEqual([SECCOMP_RET.KILL_PROCESS, SECCOMP_RET.ERRNO, SECCOMP_RET.ALLOW])
  })

  test("what is only logged is let through; arguments count", () => {
    const log = assemble([loadArgument(2), [0x15, 7, 0, 1], answer(SECCOMP_RET.LOG), answer(SECCOMP_RET.TRAP)])
    expect(letsThrough([log], { nr: 1, args: [0n, 0n, 7n] })).toBe(true)
    expect(letsThrough([log], { nr: 1, args: [0n, 0n, 8n] })).toBe(false)
  })

  test("forbidden: nothing without seccomp, all but four calls in strict mode", () => {
    const calls = (["read", "mprotect", "rt_sigreturn", "tgkill"] as const).map((call) => ({ nr: syscallNumber(call) }))
    expect(forbidden(UNFILTERED, calls)).toEqual([])
    expect(forbidden({ mode: SECCOMP_MODE.STRICT, filters: [] }, calls)).toEqual([calls[1]!, calls[3]!])
    expect(forbidden({ mode: 2, filters: [{ program: refusing(calls[0]!.nr, 1), flags: 0 }] }, calls)).toEqual([calls[0]!])
  })

  test("mayNotify: an answer of USER_NOTIF, constant or computed; not a mere comparison", () => {
    expect(mayNotify(assemble([answer(SECCOMP_RET.USER_NOTIF)]))).toBe(true)
    expect(
      mayNotify(
        assemble([
          [0x00, SECCOMP_RET.USER_NOTIF],
          [0x16, 0],
        ]),
      ),
    ).toBe(true)
    expect(mayNotify(assemble([LOAD_NUMBER, [0x44, SECCOMP_RET.USER_NOTIF], [0x16, 0]]))).toBe(true)
    expect(mayNotify(assemble([LOAD_NUMBER, [0x15, SECCOMP_RET.USER_NOTIF, 0, 0], answer(SECCOMP_RET.ALLOW)]))).toBe(false)
    const program = assemble([answer(SECCOMP_RET.USER_NOTIF)])
    expect(refuseListeners("task 5", { mode: 2, filters: [{ program, flags: 0 }] })[0]).toMatchObject({ where: "task 5" })
  })
})

const old = { program: refusing(39, 1), flags: 2 }
const middle = { program: refusing(110, 2), flags: 0 }
const young = { program: refusing(102, 3), flags: 0 }
const chain = (...filters: Seccomp["filters"]): Seccomp => ({ mode: SECCOMP_MODE.FILTER, filters })

/** Seccomp of threads 10, 11 ... through the images and back. */
function crossed(...threads: readonly Seccomp[]) {
  const table = new FilterTable()
  const byTid = new Map(threads.map((seccomp, index) => [10 + index, seccomp]))
  const cores = collectSeccomp(byTid, table)
  const { seccomp_filters } = throughBytes(seccomp_entrySchema, { seccomp_filters: table.entries })
  const saved = savedSeccomp(
    [...cores].map(([tid, core]) => ({ tid, core })),
    {},
    seccomp_filters,
  )
  return { cores, entries: seccomp_filters, saved: [...saved.values()] }
}

describe("images", () => {
  test("a chain stands newest first, and the thread names its oldest, as CRIU has it", () => {
    const { cores, entries, saved } = crossed(chain(old, middle, young))
    expect(entries.map(({ prev, flags }) => [prev, flags])).toEqual([
      [undefined, 0],
      [0, 0],
      [1, 2],
    ])
    expect(entries.map(({ filter }) => filter)).toEqual([young, middle, old].map(({ program }) => program))
    expect(cores.get(10)).toEqual({ seccomp_mode: 2, seccomp_filter: 2 })
    expect(saved).toEqual([chain(old, middle, young)])
  })

  test("a chain that all threads have is the leader's, marked TSYNC", () => {
    const { cores, entries, saved } = crossed(chain(old, young), chain(old, young))
    expect(entries.map(({ flags }) => flags)).toEqual([1, 3])
    expect([...cores.values()]).toEqual([{ seccomp_mode: 2, seccomp_filter: 1 }, {}])
    expect(saved).toEqual([chain(old, young), chain(old, young)])
  })

  test("threads that differ have chains of their own; equal ones are written once", () => {
    const threads = [chain(old), chain(old, young), UNFILTERED, { mode: SECCOMP_MODE.STRICT, filters: [] }, chain(old)]
    const { cores, entries, saved } = crossed(...threads)
    expect(entries.length).toBe(3)
    expect(cores.get(14)).toEqual(cores.get(10)!)
    expect(saved).toEqual(threads)
    expect(isFiltered(new Map([[1, UNFILTERED]]))).toBe(false)
    expect(isFiltered(new Map(saved.map((seccomp, i) => [i, seccomp])))).toBe(true)
  })

  test("CRIU before 3.9 wrote one mode for the whole process", () => {
    const threads = [10, 11].map((tid) => ({ tid, core: {} }))
    const entry = { filter: old.program, flags: 0 }
    const saved = savedSeccomp(threads, { old_seccomp_mode: 2, old_seccomp_filter: 0 }, [entry])
    expect([...saved.values()].map(({ filters }) => filters.length)).toEqual([1, 1])
  })

  test("indexes and filters that cannot be are E_IMAGE_CORRUPT", () => {
    const restore = (
      core: Pick<thread_core_entry, "seccomp_mode" | "seccomp_filter">,
      ...filters: { filter: Uint8Array; prev?: number }[]
    ) => savedSeccomp([{ tid: 10, core }], {}, filters)
    const filter = old.program
    expect(() => restore({ seccomp_mode: 2, seccomp_filter: 1 }, { filter })).toThrow("filter 1 of 1")
    expect(() => restore({ seccomp_mode: 2 }, { filter })).toThrow("without a filter")
    expect(() => restore({ seccomp_mode: 2, seccomp_filter: 0 }, { filter, prev: 0 })).toThrow("no end")
    expect(() => restore({ seccomp_mode: 2, seccomp_filter: 0 }, { filter: filter.subarray(1) })).toThrow("no instructions")
  })
})

describe("planSeccomp", () => {
  const describePlan = (speculationKept: boolean, ...threads: readonly Seccomp[]) => {
    const { shared, own } = planSeccomp(new Map(threads.map((seccomp, index) => [10 + index, seccomp])), speculationKept)
    const calls = (lines: string[] = []) => lines.map((line) => line.replace(/, "[^"]*.*$/, ")"))
    return { shared: calls(shared?.describe()), own: [...own].map(([tid, program]) => [tid, calls(program.describe())]) }
  }

  test("what all threads have comes from the leader, the rest from each", () => {
    expect(describePlan(true, chain(old, middle), chain(old, young), chain(old))).toEqual({
      shared: ["#0 seccomp(1, 7)"],
      own: [
        [10, ["#0 seccomp(1, 4)"]],
        [11, ["#0 seccomp(1, 4)"]],
      ],
    })
  })

  test("one thread alone needs no TSYNC; images of CRIU tell nothing of speculation", () => {
    expect(describePlan(false, chain(old, middle))).toEqual({ shared: [], own: [[10, ["#0 seccomp(1, 2)", "#1 seccomp(1, 0)"]]] })
  })

  test("strict mode beside filters", () => {
    expect(describePlan(false, UNFILTERED, { mode: 1, filters: [] })).toEqual({
      shared: [],
      own: [[11, ["#0 prctl(0x16, 1, 0, 0, 0) // strict seccomp"]]],
    })
  })
})
