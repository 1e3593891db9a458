import { describe, expect, test } from "bun:test"
import { ERRNO } from "../../ffi/errno.ts"
import { NUMBER as AARCH64 } from "../../ffi/numbers.aarch64.ts"
import { NUMBER as X86_64 } from "../../ffi/numbers.x86_64.ts"
import { LATER_CALLS } from "../golden/syscalls.ts"
import { canCompile, macros, numberOf } from "./compiled.ts"

/** What an architecture that follows the generic table asks of it. Header: arch/arm64/include/uapi/asm/unistd.h */
const AARCH64_WANTS = ["RENAMEAT", "NEW_STAT", "SET_GET_RLIMIT", "TIME32_SYSCALLS", "SYS_CLONE3", "MEMFD_SECRET"]

/** Numbers that bound a part of the table: no calls. */
const NO_CALL = /^(?:syscalls|arch_specific_syscall)$/

/** Calls by name that a preprocessor sees, among them none of the names above. */
function callsOf(header: string, ...options: string[]): Record<string, number> {
  const table = macros([header], ...options)
  const names = [...table.keys()].filter((name) => name.startsWith("__NR_")).map((name) => name.slice("__NR_".length))
  const rows = names.filter((name) => !NO_CALL.test(name)).map((name) => [name, numberOf(table, `__NR_${name}`)] as const)
  return Object.fromEntries(rows.filter((row): row is readonly [string, number] => row[1] !== undefined))
}

const sorted = (table: Readonly<Record<string, number>>): (readonly [string, number])[] =>
  Object.entries(table).sort((a, b) => a[1] - b[1] || (a[0] < b[0] ? -1 : 1))

describe.skipIf(!canCompile)("numbers of system calls", () => {
  test("x86-64: those of asm/unistd_64.h, all of them", () => {
    const known = callsOf("asm/unistd_64.h")
    expect(Object.keys(known).length).toBeGreaterThan(350)
    const ours = Object.fromEntries(Object.entries(X86_64).filter(([name]) => name in known || name in LATER_CALLS))
    // Headers newer than our table know more: only what we have is compared then.
    const theirs = Object.fromEntries(Object.entries({ ...LATER_CALLS, ...known }).filter(([, number]) => number <= 459))
    expect(sorted(ours)).toEqual(sorted(theirs))
    expect(Object.keys(X86_64).filter((name) => !(name in ours))).toEqual([])
  })

  test("aarch64: those of asm-generic/unistd.h, all of them", () => {
    const known = callsOf("asm-generic/unistd.h", ...AARCH64_WANTS.map((word) => `-D__ARCH_WANT_${word}`))
    expect(Object.keys(known).length).toBeGreaterThan(300)
    const theirs = Object.fromEntries(Object.entries({ ...LATER_CALLS, ...known }).filter(([, number]) => number <= 459))
    expect(sorted(AARCH64)).toEqual(sorted(theirs))
  })

  test("no number is given twice", () => {
    for (const table of [X86_64, AARCH64]) expect(new Set(Object.values(table)).size).toBe(Object.keys(table).length)
  })
})

describe.skipIf(!canCompile)("errno", () => {
  test("names and numbers are those of asm/errno.h", () => {
    const table = macros(["asm/errno.h"])
    const aliases = new Set(["EWOULDBLOCK", "EDEADLOCK"])
    const known = [...table.keys()].filter((name) => /^E[A-Z0-9]+$/.test(name) && !aliases.has(name))
    const theirs = Object.fromEntries(known.map((name) => [name, numberOf(table, name) ?? -1]))
    const ours = Object.fromEntries(
      Object.entries(ERRNO)
        .filter(([number]) => Number(number) < 512)
        .map(([number, [name]]) => [name, Number(number)]),
    )
    expect(Object.keys(theirs).length).toBeGreaterThan(125)
    expect(sorted(ours)).toEqual(sorted(theirs))
  })

  test("each has a meaning, in small letters", () => {
    for (const [name, meaning] of Object.values(ERRNO)) expect([name, meaning]).toEqual([name, expect.stringMatching(/^[.a-z0-9]/)])
  })
})
