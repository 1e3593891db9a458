import { describe, expect, test } from "bun:test"
import { memoryAt } from "../../ffi/kernel.ts"
import { syscallNumber } from "../../ffi/syscall.ts"
import { redirectVdso } from "../../src/elf/vdso.ts"
import { readMaps } from "../../src/proc/maps.ts"
import { functionNames, withoutFunctions } from "../live/vdso.ts"

const place = readMaps(process.pid).find(({ path }) => path === "[vdso]")
if (!place) throw new Error("this kernel has no vdso")
const vdso = memoryAt(Number(place.start), Number(place.end - place.start)).bytes.slice()
const address = 0x7000_0000_0000n
const target = { bytes: vdso, address, numberOf: syscallNumber }

/** Disassembled: where a jump leads, or which call is made. */
function meaning(code: Uint8Array): string {
  const view = new DataView(code.buffer, code.byteOffset)
  if (view.getUint16(0) === 0xff25 && view.getUint32(2) === 0) return `jmp ${view.getBigUint64(6, true).toString(16)}`
  if (code[0] === 0xb8 && code.length === 8 && code[5] === 0x0f && code[6] === 0x05 && code[7] === 0xc3)
    return `call ${view.getUint32(1, true)}`
  return "?"
}

const redirected = (old: Uint8Array, to: typeof target | { bytes: undefined; address: bigint; numberOf: typeof syscallNumber }) => {
  const patches = redirectVdso(old, to)
  if (typeof patches === "string") throw new Error(patches)
  return patches.map(({ offset, code }) => [offset, meaning(code)] as const)
}

describe("redirectVdso", () => {
  test("each function jumps to the one of its name", () => {
    const patches = redirected(vdso, target)
    expect(patches.length).toBeGreaterThanOrEqual(5)
    for (const [offset, code] of patches) expect(code).toBe(`jmp ${(address + BigInt(offset)).toString(16)}`)
  })

  test("functions that this kernel lacks become system calls", () => {
    const known = ["__vdso_getcpu", "__vdso_gettimeofday"]
    expect(functionNames(vdso)).toEqual(expect.arrayContaining(known))
    const words = redirected(vdso, { ...target, bytes: withoutFunctions(vdso, known) }).map(([, code]) => code)
    expect(words).toContain(`call ${syscallNumber("getcpu")}`)
    expect(words).toContain(`call ${syscallNumber("gettimeofday")}`)
    expect(words.filter((word) => word.startsWith("jmp")).length).toBeGreaterThanOrEqual(2)
  })

  test("a kernel without a vdso: all are system calls", () => {
    const words = redirected(vdso, { ...target, bytes: undefined }).map(([, code]) => code)
    expect(words).toContain(`call ${syscallNumber("clock_gettime")}`)
    expect(words.every((word) => word.startsWith("call "))).toBe(true)
  })

  test("a function that nothing can stand in for is refused by name", () =>
    expect(redirectVdso(withoutFunctions(vdso, ["__vdso_getcpu"]), target)).toBe('it has a function "getcpX" that this kernel lacks'))

  test("what is no vdso is refused", () => {
    for (const bytes of [new Uint8Array(0), new Uint8Array(8192), vdso.subarray(0, 40)])
      expect(redirectVdso(bytes, target)).toBe("its bytes are no vdso of x86-64")
  })

  test("no damage makes it throw or write outside", () => {
    for (let at = 0; at < vdso.length; at += 7) {
      const damaged = vdso.slice()
      damaged[at] = (damaged[at] ?? 0) ^ 0xff
      const patches = redirectVdso(damaged, target)
      if (typeof patches !== "string") for (const { offset, code } of patches) expect(offset + code.length <= vdso.length).toBe(true)
    }
  })
})
