import { describe, expect, test } from "bun:test"
import { type Registers, userRegsStruct } from "../../ffi/abi/registers.x86_64.ts"
import { decode } from "../../ffi/layout.ts"
import { remoteAddress } from "../../src/base/units.ts"
import { settled } from "../../src/rseq/arch.x86_64.ts"
import { applyFixup, imagePatches, refuseMalformed, resumedRegisters, rseqCsAddress } from "../../src/rseq/fixup.ts"
import { rseqEntry, rseqExtension, savedRseq } from "../../src/rseq/image.ts"
import type { RseqClass, RseqState } from "../../src/rseq/state.ts"
import { type FrozenThread, freshlyStopped } from "../../src/tracee/frozen.ts"

const NO_SYSCALL = (1n << 64n) - 1n
const registers = (values: Partial<Registers>): Registers => ({
  ...decode(userRegsStruct, new Uint8Array(userRegsStruct.size)),
  orig_ax: NO_SYSCALL,
  ...values,
})
const error = (errno: number): bigint => BigInt.asUintN(64, BigInt(-errno))

const section = { descriptor: 0x500000n, version: 0, flags: 0, startIp: 0x1000n, endIp: 0x1040n, abortIp: 0x2000n }
const registration = { strategy: "ptrace", abiPointer: remoteAddress(0x7000n), abiSize: 33, signature: 0x53053053, flags: 0 } as const
const state = (kind: RseqClass, rest: Partial<RseqState> = {}): RseqState => ({
  class: kind,
  tid: 12,
  registration: kind === "unregistered" ? undefined : registration,
  area: kind === "unregistered" ? undefined : new Uint8Array(33),
  rseqCs: kind === "unregistered" || kind === "idle" ? 0n : 0x500000n,
  section: kind === "unregistered" || kind === "idle" ? undefined : section,
  reason: kind === "malformed" ? "version is 1, known is 0" : undefined,
  warning: undefined,
  ip: 0x1010n,
  ...rest,
})
const thread = (values: Partial<Registers>): FrozenThread =>
  freshlyStopped({ tid: 12, registers: registers(values), xstate: new Uint8Array(), mask: 0n })

describe("applyFixup", () => {
  test("sends an abortable thread to its abort handler and changes nothing else", () => {
    const frozen = thread({ ip: 0x1010n, ax: 7n, sp: 0x8000n })
    applyFixup(frozen, state("abortable"), true)
    expect(frozen.resume).toEqual({ ...frozen.registers, ip: 0x2000n })
    expect([frozen.rseqCs, frozen.touched]).toEqual([undefined, false])
  })

  test("remembers where a thread goes on when the section was found by a guess, and the guess is false", () => {
    const frozen = thread({ ip: 0x1010n })
    applyFixup(frozen, state("abortable"), false)
    expect(frozen.resume.ip).toBe(0x2000n)
    expect(frozen.guess).toEqual({ at: remoteAddress(0x7008n), otherwise: frozen.registers })
  })

  test("writes the pointer of a no-restart section back, and leaves the IP; without the tool only where the kernel does not kill for it", () => {
    for (const [warning, alone] of [
      [undefined, true],
      ["this kernel kills", false],
    ] as const) {
      const frozen = thread({ ip: 0x1010n })
      applyFixup(frozen, { ...state("no-restart"), warning }, true)
      expect(frozen.resume).toBe(frozen.registers)
      expect(frozen.rseqCs).toEqual({ at: remoteAddress(0x7008n), value: 0x500000n, alone })
    }
  })

  for (const kind of ["unregistered", "idle", "outside"] as const)
    test(`leaves a thread alone that is ${kind}`, () => {
      const frozen = thread({ ip: 0x3000n })
      applyFixup(frozen, state(kind), true)
      expect([frozen.resume === frozen.registers, frozen.rseqCs, frozen.touched]).toEqual([true, undefined, false])
    })
})

describe("a system call interrupted inside a section", () => {
  const inCall = registers({ ip: 0x1012n, ax: error(512), orig_ax: 0n })
  test("counts as about to be made again", () => expect(settled(inCall)).toEqual({ ...inCall, ip: 0x1010n, ax: 0n, orig_ax: NO_SYSCALL }))
  test("is aborted without being restarted behind the handler's back", () =>
    expect(resumedRegisters(inCall, state("abortable"))).toEqual({ ...inCall, ip: 0x2000n, ax: 0n, orig_ax: NO_SYSCALL }))
  test("becomes restart_syscall where the kernel would make it one", () =>
    expect(settled({ ...inCall, ax: error(516) })).toMatchObject({ ip: 0x1010n, ax: 219n, orig_ax: NO_SYSCALL }))
  test("that is over is no interrupted call", () => expect(settled({ ...inCall, ax: 3n }).ip).toBe(0x1012n))
})

test("imagePatches clears rseq_cs wherever it was set", () => {
  const states = (["unregistered", "idle", "outside", "abortable", "no-restart", "malformed"] as const).map((kind) => state(kind))
  expect(imagePatches(states)).toEqual(Array(4).fill({ address: remoteAddress(0x7008n), bytes: new Uint8Array(8) }))
  expect(() => rseqCsAddress(state("unregistered"))).toThrow("Unreachable")
})

describe("refuseMalformed", () => {
  test("names thread and reason", () => {
    expect(() => refuseMalformed(9, [state("idle"), state("malformed")], "refuse")).toThrow(
      "Cannot dump task 9: the restartable sequence of thread 12 is malformed: version is 1, known is 0",
    )
  })
  test("lets it pass with keep, unless nothing could be put back", () => {
    refuseMalformed(9, [state("malformed")], "keep")
    expect(() => refuseMalformed(9, [state("malformed", { area: undefined })], "keep")).toThrow("malformed")
  })
})

describe("images", () => {
  test("an unregistered thread has no entry", () => expect(rseqEntry(state("unregistered"))).toBeUndefined())
  for (const [kind, pointer] of [
    ["idle", undefined],
    ["outside", undefined],
    ["abortable", undefined],
    ["no-restart", 0x500000n],
    ["malformed", 0x500000n],
  ] as const)
    test(`${kind}: entry and back, rseq_cs_pointer ${pointer ? "set" : "absent"}`, () => {
      const entry = rseqEntry(state(kind))
      expect(entry && "rseq_cs_pointer" in entry).toBe(pointer !== undefined)
      expect(savedRseq(entry)).toEqual({ abiPointer: remoteAddress(0x7000n), abiSize: 33, signature: 0x53053053, rseqCs: pointer })
    })
  test("CRIU's pointer 0 means that nothing is registered", () =>
    expect(savedRseq({ rseq_abi_pointer: 0n, rseq_abi_size: 0, signature: 0 })).toBeUndefined())
  test("the extension tells what was found", () => {
    expect(rseqExtension(state("abortable"))).toEqual({
      rseq_class: "abortable",
      rseq_discovery: "ptrace",
      rseq_flags: 0,
      rseq_cs: 0x500000n,
      rseq_area: new Uint8Array(33),
      frozen_ip: 0x1010n,
    })
    expect(rseqExtension(state("unregistered"))).toEqual({ rseq_class: "unregistered", frozen_ip: 0x1010n })
  })
})
