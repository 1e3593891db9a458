import {
  COMPONENT_FEATURES,
  FEATURE_WORDS,
  FEATURE_WORDS_1,
  type FeatureBit,
  INSTRUCTIONS,
  STATE_FEATURES,
} from "../../../ffi/abi/cpu.x86_64.ts"
import type { Cpu } from "../../../ffi/cpu.x86_64.ts"
import type { cpuinfo_entry } from "../../../proto/gen/cpuinfo_pb.ts"
import { capabilityWords } from "./collect.x86_64.ts"

/** Where this CPU is not that of the dump. Names are those of /proc/cpuinfo. */
export interface CpuDifference {
  /** What the other one is called. */
  readonly dumped: string
  /** Features that it had and this one lacks, and the other way round. */
  readonly lacks: readonly string[]
  readonly besides: readonly string[]
  /** Of those that are lacking: instructions of programs. */
  readonly instructions: readonly string[]
  /** What stands against setting its extended state here; components only where no instruction that is lacking explains them. */
  readonly state: readonly string[]
  /** Components of its extended state that are not turned on here. */
  readonly components: readonly string[]
}

/** Words of a set by capability_ver. */
const WORDS = new Map([
  [1, FEATURE_WORDS_1],
  [2, FEATURE_WORDS.length],
])

/** Name of a feature as /proc/cpuinfo has it, or its place where it has none. */
export function featureName([word, bit]: FeatureBit): string {
  const name = FEATURE_WORDS[word]?.names.split(" ")[bit]
  return name === undefined || name === "" || name === "-" ? `bit ${bit} of word ${word}` : name
}

/** Names of the bits that are set in `some` and not in `others`, word by word. */
const beyond = (some: readonly number[], others: readonly number[]): string[] =>
  some.flatMap((value, word) => {
    const more = value & ~(others[word] ?? 0)
    return Array.from({ length: 32 }, (_, bit) => bit).flatMap((bit) => ((more >>> bit) & 1 ? [featureName([word, bit])] : []))
  })

/** The CPU of a dump as people know it. */
const nameOf = ({ model_id, cpu_family, model, stepping }: cpuinfo_entry["x86_entry"][number]): string =>
  model_id ?? `family ${cpu_family}, model ${model}, stepping ${stepping}`

/**
 * Compares the entry of cpuinfo.img with a CPU. Mirror: ./collect.x86_64.ts
 *
 * @returns undefined when the entry is of another architecture, or has other words than its version says
 */
export function compareCpu({ x86_entry }: cpuinfo_entry, cpu: Cpu): CpuDifference | undefined {
  const [entry] = x86_entry
  if (!entry || x86_entry.length > 1 || entry.capability.length !== WORDS.get(entry.capability_ver)) return undefined
  const here = capabilityWords(cpu).slice(0, entry.capability.length)
  const lacks = beyond(entry.capability, here)
  const mask = (entry.xfeatures_mask ?? 0n) & ~cpu.components
  const components = COMPONENT_FEATURES.map(([component, feature]) => [component, featureName(feature)] as const)
    .filter(([component, feature]) => (mask >> BigInt(component)) & 1n && !lacks.includes(feature))
    .map(([component, feature]) => `xsave component ${component} (${feature})`)
  const instructions = INSTRUCTIONS.split(" ")
  const sizes = [
    ["bytes of extended state", entry.xsave_size, cpu.stateSize],
    ["bytes of extended state at most", entry.xsave_size_max, cpu.stateSizeMax],
  ] as const
  return {
    dumped: nameOf(entry),
    lacks,
    besides: beyond(here, entry.capability),
    instructions: lacks.filter((name) => instructions.includes(name)),
    components,
    state: [
      ...lacks.filter((name) => STATE_FEATURES.includes(name)).map((name) => `this CPU lacks ${name}`),
      ...(mask === 0n ? [] : [`xsave components 0x${mask.toString(16)} are not turned on here`]),
      ...sizes.filter(([, then, now]) => then !== undefined && then !== now).map(([what, then, now]) => `${then} ${what} are ${now} here`),
    ],
  }
}
