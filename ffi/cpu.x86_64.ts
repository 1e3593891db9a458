import { type CpuidRegister, FEATURE_WORDS, MONITORS_CACHE } from "./abi/cpu.x86_64.ts"
import { type Component, XFEATURE, XFEATURE_XTILE_DATA, XSTATE_EXTENDED } from "./abi/xsave.x86_64.ts"
import { cpuid } from "./kernel.ts"
import { allocate } from "./syscall.ts"

const out = allocate(4096)
const known = new Map<number, Component | undefined>()

/** Place and size of an extended component on this CPU, undefined where the CPU lacks it. Authority: Intel SDM, CPUID leaf 0DH. */
export function xstateComponent(feature: number): Component | undefined {
  if (!known.has(feature)) {
    cpuid(0xd, feature, out.address)
    const [size, offset, flags] = [0, 4, 8].map((at) => out.view.getUint32(at, true)) as [number, number, number]
    const supervisor = (flags & 1) !== 0
    known.set(feature, size === 0 || supervisor ? undefined : { offset, size })
  }
  return known.get(feature)
}

/** Bytes of the extended state with every component that the kernel has turned on. Authority: Intel SDM, CPUID leaf 0DH, EBX. */
export function xstateSize(): number {
  if (whole === undefined) {
    cpuid(0xd, 0, out.address)
    whole = out.view.getUint32(4, true)
  }
  return whole
}
let whole: number | undefined

let untiled: number | undefined
/**
 * Bytes of the extended state of a thread that has not used AMX tiles: up to the last component but these, for which the kernel gives a
 * thread no room until it does. Kernel: arch/x86/kernel/fpu/xstate.c paranoid_xstate_size_valid(), fpu_user_cfg.default_size
 */
export function xstateSizeWithoutTiles(): number {
  if (untiled !== undefined) return untiled
  cpuid(0xd, 0, out.address)
  const present = [out.view.getUint32(0, true), out.view.getUint32(12, true)] as const
  untiled = XSTATE_EXTENDED
  for (let feature: number = XFEATURE.YMM; feature < 63; feature++) {
    if (feature === XFEATURE_XTILE_DATA || (((present[feature >> 5] ?? 0) >>> (feature & 31)) & 1) === 0) continue
    const component = xstateComponent(feature)
    if (component) untiled = Math.max(untiled, component.offset + component.size)
  }
  return untiled
}

let keys: boolean | undefined
/** Whether the kernel has turned on memory protection keys. Authority: Intel SDM, CPUID leaf 07H, ECX bit 4 (OSPKE) */
export function hasProtectionKeys(): boolean {
  if (keys === undefined) {
    cpuid(7, 0, out.address)
    keys = (out.view.getUint32(8, true) & (1 << 4)) !== 0
  }
  return keys
}

/** The four registers that CPUID answers in. */
export type CpuidAnswer = Readonly<Record<CpuidRegister, number>>
/** Asks CPUID. */
type AskCpuid = (leaf: number, subleaf: number) => CpuidAnswer

/** What a CPU says of itself. */
export interface Cpu {
  /** Twelve letters: "GenuineIntel". */
  readonly vendor: string
  readonly family: number
  readonly model: number
  readonly stepping: number
  /** As its maker calls it; undefined where it does not say. */
  readonly name: string | undefined
  /** FEATURE_WORDS as CPUID has them; 0 where it has none. */
  readonly words: readonly number[]
  /** Components of extended state that are turned on, a bit each. */
  readonly components: bigint
  /** Bytes of extended state with those, and with all that the CPU has. */
  readonly stateSize: number
  readonly stateSizeMax: number
}

function askHere(leaf: number, subleaf: number): CpuidAnswer {
  cpuid(leaf, subleaf, out.address)
  const { view } = out
  return { eax: view.getUint32(0, true), ebx: view.getUint32(4, true), ecx: view.getUint32(8, true), edx: view.getUint32(12, true) }
}

/** The first leaf of each range answers with the last one. Beyond it the answers mean nothing. */
const RANGE = 0x80000000
const NAME_LEAVES = [0x80000002, 0x80000003, 0x80000004] as const
const STATE_LEAF = 0xd
const CACHE_LEAF = 0xf
const NOTHING: CpuidAnswer = { eax: 0, ebx: 0, ecx: 0, edx: 0 }

/** Registers as text, the lowest byte of each first; it ends at a NUL. By hand: nothing else has run yet when a dump asks. */
function lettersOf(values: readonly number[]): string {
  let text = ""
  for (const value of values)
    for (let shift = 0; shift < 32; shift += 8) {
      const letter = (value >>> shift) & 0xff
      if (letter === 0) return text
      text += String.fromCharCode(letter)
    }
  return text
}

/**
 * Asks the CPU what it can do, by about 16 CPUID instructions: 5 µs each in a virtual machine, much less without one.
 *
 * Authority: Intel SDM, CPUID; AMD APM volume 3, appendix E
 */
export function readCpu(ask: AskCpuid = askHere): Cpu {
  const known = new Map<number, CpuidAnswer>()
  const answer = (leaf: number, subleaf = 0): CpuidAnswer => {
    const range = leaf < RANGE ? 0 : RANGE
    if (leaf > range && leaf > answer(range).eax) return NOTHING
    const key = leaf * 2 + subleaf
    const before = known.get(key)
    if (before) return before
    const now = ask(leaf, subleaf)
    known.set(key, now)
    return now
  }
  const monitorsCache = ((answer(CACHE_LEAF).edx >>> MONITORS_CACHE) & 1) === 1
  const hello = answer(0)
  const version = answer(1).eax
  const family = (version >>> 8) & 0xf
  const name: number[] = []
  for (const leaf of NAME_LEAVES) {
    const { eax, ebx, ecx, edx } = answer(leaf)
    name.push(eax, ebx, ecx, edx)
  }
  const state = answer(STATE_LEAF)
  return {
    vendor: lettersOf([hello.ebx, hello.edx, hello.ecx]),
    family: family === 0xf ? family + ((version >>> 20) & 0xff) : family,
    model: ((version >>> 4) & 0xf) + (family >= 6 ? ((version >>> 16) & 0xf) << 4 : 0),
    stepping: version & 0xf,
    name: lettersOf(name).trimStart() || undefined,
    words: FEATURE_WORDS.map(({ from }) => {
      if (!from) return 0
      const [leaf, subleaf, register] = from
      return leaf === CACHE_LEAF && subleaf > 0 && !monitorsCache ? 0 : answer(leaf, subleaf)[register]
    }),
    components: (BigInt(state.edx) << 32n) | BigInt(state.eax),
    stateSize: state.ebx,
    stateSizeMax: state.ecx,
  }
}
