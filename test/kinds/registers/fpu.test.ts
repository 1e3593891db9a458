import { describe, expect, test } from "bun:test"
import { userRegsStruct } from "../../../ffi/abi/registers.x86_64.ts"
import { XFEATURE, XSTATE_HEADER } from "../../../ffi/abi/xsave.x86_64.ts"
import { xstateComponent, xstateSize, xstateSizeWithoutTiles } from "../../../ffi/cpu.x86_64.ts"
import { holdInterrupts } from "../../../ffi/interrupt.ts"
import { user_x86_fpregs_entrySchema, user_x86_regs_entrySchema } from "../../../proto/gen/core-x86_pb.ts"
import { collectFpu, collectRegisters, hasForeignState, UNUSED_TLS, XSAVE_FIELDS } from "../../../src/kinds/registers/collect.x86_64.ts"
import { checkFpu, restoreFpu, restoreRegisters } from "../../../src/kinds/registers/restore.x86_64.ts"
import { NO_SYSCALL } from "../../../src/tracee/arch.x86_64.ts"
import { getXstate, setXstate } from "../../../src/tracee/trace.ts"
import { failureOf } from "../../harness/failure.ts"
import { canTrace, freeze, startTarget, why } from "../../tracee/fixture.ts"
import { throughBytes } from "../fixture.ts"

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
const inUse = (bytes: Uint8Array): bigint => viewOf(bytes).getBigUint64(XSTATE_HEADER, true)
const bit = (feature: number): bigint => 1n << BigInt(feature)
const present = XSAVE_FIELDS.filter(([, feature]) => xstateComponent(feature) !== undefined)
const SIZE = Math.max(576, ...present.map(([, feature]) => xstateComponent(feature)!).map(({ offset, size }) => offset + size))

/** XSAVE bytes of this CPU with every component that the image knows in use, each byte another pattern. */
function pattern(seed: number): Uint8Array {
  const bytes = new Uint8Array(SIZE)
  const fill = (offset: number, size: number): void => {
    for (let i = 0; i < size; i++) bytes[offset + i] = (seed + i * 37 + offset) & 0xff
  }
  fill(32, 128 + 256)
  const view = viewOf(bytes)
  view.setUint16(0, 0x0b7f, true)
  view.setUint16(2, 5 << 11, true)
  view.setUint16(4, 0xe0, true)
  view.setUint32(24, 0x7f81, true)
  view.setUint32(28, 0xffff, true)
  // the upper six bytes of an x87 register's sixteen are reserved
  for (let register = 0; register < 8; register++) bytes.fill(0, 42 + 16 * register, 48 + 16 * register)
  let used = bit(XFEATURE.FP) | bit(XFEATURE.SSE)
  for (const [, feature] of present) {
    const { offset, size } = xstateComponent(feature)!
    if (feature === XFEATURE.PKRU) view.setUint32(offset, 0x55555550, true)
    else if (feature === XFEATURE.BNDREGS || feature === XFEATURE.BNDCSR) continue
    else fill(offset, size)
    used |= bit(feature)
  }
  view.setBigUint64(XSTATE_HEADER, used, true)
  return bytes
}

describe("FPU state", () => {
  test("every component of this CPU comes back through the image, bit for bit", () => {
    for (const seed of [0, 1, 99]) {
      const bytes = pattern(seed)
      const entry = throughBytes(user_x86_fpregs_entrySchema, collectFpu(bytes))
      expect(restoreFpu(entry, new Uint8Array(SIZE), 7)).toEqual(bytes)
    }
  })

  test("the entry has x87, MXCSR and one field a component", () => {
    const entry = collectFpu(pattern(3))
    expect(entry).toMatchObject({ cwd: 0x0b7f, swd: 5 << 11, twd: 0xe0, mxcsr: 0x7f81, mxcsr_mask: 0xffff })
    expect([entry.st_space.length, entry.xmm_space.length]).toEqual([32, 64])
    for (const [field, feature, width] of XSAVE_FIELDS)
      expect(entry.xsave![field].length).toBe((xstateComponent(feature)?.size ?? 0) / width)
  })

  test("components out of use are left in their initial state", () => {
    const bytes = pattern(5)
    viewOf(bytes).setBigUint64(XSTATE_HEADER, 0n, true)
    const restored = restoreFpu(collectFpu(bytes), new Uint8Array(SIZE), 7)
    expect(inUse(restored)).toBe(3n)
    expect(restored.subarray(576).every((byte) => byte === 0)).toBe(true)
    expect(restored.subarray(32, 416)).toEqual(bytes.subarray(32, 416))
  })

  test("the reserved bytes of the machine's own template are kept", () => {
    const template = new Uint8Array(SIZE).fill(0xee)
    const restored = restoreFpu(collectFpu(pattern(1)), template, 7)
    expect(restored.subarray(464, 512).every((byte) => byte === 0xee)).toBe(true)
    expect(restored.subarray(520, 576).every((byte) => byte === 0)).toBe(true)
  })

  test("bytes that are a view into a larger buffer are read where the view begins", () => {
    const whole = new Uint8Array(SIZE + 128)
    whole.set(pattern(2), 64)
    expect(collectFpu(whole.subarray(64, 64 + SIZE))).toEqual(collectFpu(pattern(2)))
  })

  test("an entry without xsave is x87 and SSE alone", () => {
    const { xsave: _, ...entry } = collectFpu(pattern(4))
    expect(inUse(restoreFpu({ ...entry, xsave: undefined }, new Uint8Array(SIZE), 7))).toBe(3n)
  })

  test("a component that this CPU lacks is E_IMAGE_UNSUPPORTED and named", () => {
    const entry = collectFpu(pattern(4))
    const next = { code: "E_IMAGE_UNSUPPORTED", action: "Cannot restore the FPU of thread 7" }
    expect(failureOf(() => restoreFpu({ ...entry, xsave: { ...entry.xsave!, xstate_bv: 7n } }, new Uint8Array(576), 7))).toMatchObject({
      ...next,
      found: "its state uses ymmh_space, which this CPU lacks",
    })
    const absent = XSAVE_FIELDS.find(([, feature]) => !xstateComponent(feature))
    if (absent)
      expect(
        failureOf(() => restoreFpu({ ...entry, xsave: { ...entry.xsave!, xstate_bv: bit(absent[1]) } }, new Uint8Array(SIZE), 7)),
      ).toMatchObject({ ...next, found: `its state uses ${absent[0]}, which this CPU lacks` })
  })

  test("a wrong number of words is E_IMAGE_CORRUPT and names the field", () => {
    const entry = collectFpu(pattern(4))
    const template = new Uint8Array(SIZE)
    const found = (changed: Partial<typeof entry>) => failureOf(() => restoreFpu({ ...entry, ...changed }, template, 7))
    expect(found({ st_space: [1, 2] })).toMatchObject({ code: "E_IMAGE_CORRUPT", found: "st_space has 2 words instead of 32" })
    expect(found({ xmm_space: [...entry.xmm_space, 1] })).toMatchObject({
      code: "E_IMAGE_CORRUPT",
      found: "xmm_space has 65 words instead of 64",
    })
    if (xstateComponent(XFEATURE.YMM))
      expect(found({ xsave: { ...entry.xsave!, ymmh_space: [] } })).toMatchObject({
        code: "E_IMAGE_CORRUPT",
        found: "ymmh_space has 0 words instead of 64",
      })
  })

  test("hasForeignState is true of components that the image has no field for, in use", () => {
    const bytes = pattern(1)
    expect(hasForeignState(bytes)).toBe(false)
    for (const feature of [8, 11, 18, 63]) {
      viewOf(bytes).setBigUint64(XSTATE_HEADER, 3n | bit(feature), true)
      expect(hasForeignState(bytes)).toBe(true)
    }
  })
})

describe.skipIf(!canTrace)(`FPU state of a live thread${why}`, () => {
  test("what the kernel gives is restored through the image, and the kernel takes what is made", async () => {
    using target = await startTarget("idle")
    using _ = holdInterrupts()
    using frozen = freeze(target.pid)
    const { tid, xstate } = frozen.threads[0]!
    // Of tiles that it does not use there are no bytes: a signal frame with more than the thread has room for would lose the rest.
    expect(xstate.length).toBe(Math.min(xstateSize(), xstateSizeWithoutTiles()))
    const known = restoreFpu(throughBytes(user_x86_fpregs_entrySchema, collectFpu(xstate)), xstate, tid)
    setXstate(tid, known)
    const again = getXstate(tid)
    expect(collectFpu(again)).toMatchObject({
      ...collectFpu(xstate),
      xsave: { ...collectFpu(xstate).xsave!, xstate_bv: expect.anything() },
    })
    // full patterns, as far as this CPU has components
    const bytes = restoreFpu(collectFpu(pattern(8)), xstate, tid)
    viewOf(bytes).setUint32(24, 0x7f81 & viewOf(xstate).getUint32(28, true), true)
    setXstate(tid, bytes)
    const back = getXstate(tid)
    for (const [, feature] of present) {
      const { offset, size } = xstateComponent(feature)!
      expect(back.subarray(offset, offset + (feature === XFEATURE.PKRU ? 4 : size))).toEqual(
        bytes.subarray(offset, offset + (feature === XFEATURE.PKRU ? 4 : size)),
      )
    }
    expect(back.subarray(32, 416)).toEqual(bytes.subarray(32, 416))
    setXstate(tid, xstate)
  })
})

describe("general registers", () => {
  const registers = Object.fromEntries(
    Object.keys(userRegsStruct.fields).map((name, i) => [name, BigInt(i) * 0x0101_0101_0101n]),
  ) as ReturnType<typeof restoreRegisters>

  test("come back through the image, in no system call, on 64-bit segments", () => {
    const entry = throughBytes(user_x86_regs_entrySchema, collectRegisters(registers))
    expect(restoreRegisters(entry, 7)).toEqual({ ...registers, orig_ax: NO_SYSCALL, cs: 0x33n, ss: 0x2bn })
  })

  test("a mode other than native is refused, none is native", () => {
    const entry = collectRegisters(registers)
    expect(failureOf(() => restoreRegisters({ ...entry, mode: 2 }, 7))).toMatchObject({
      code: "E_IMAGE_UNSUPPORTED",
      found: "it ran 32-bit code",
    })
    expect(() => restoreRegisters({ ...entry, mode: undefined }, 7)).not.toThrow()
  })

  test("the three TLS slots are marked unused", () => {
    expect(UNUSED_TLS.map(({ entry_number, seg_not_present, read_exec_only }) => [entry_number, seg_not_present, read_exec_only])).toEqual(
      [12, 13, 14].map((slot) => [slot, true, true]),
    )
  })
})

describe("checkFpu", () => {
  test("state of this CPU can be set on it", () => {
    expect(() => checkFpu(collectFpu(pattern(1)), undefined, 5)).not.toThrow()
    expect(() => checkFpu(collectFpu(pattern(1)), pattern(1), 5)).not.toThrow()
  })

  test("a component that no CPU has, and a state that ends too early, are refused", () => {
    const strange = pattern(1)
    viewOf(strange).setBigUint64(XSTATE_HEADER, inUse(strange) | bit(61), true)
    expect(failureOf(() => checkFpu(collectFpu(pattern(1)), strange, 5))).toMatchObject({
      code: "E_IMAGE_UNSUPPORTED",
      found: "its state uses xsave component 61, which this CPU lacks",
    })
    expect(failureOf(() => checkFpu(collectFpu(pattern(1)), new Uint8Array(512), 5))).toMatchObject({ code: "E_IMAGE_CORRUPT" })
  })
})
