import { ALWAYS, COMPONENT_FEATURES, type FeatureBit, NOT_AMD, SINCE_FAMILY, UNNAMED_COMPONENTS } from "../../../ffi/abi/cpu.x86_64.ts"
import { type Cpu, readCpu } from "../../../ffi/cpu.x86_64.ts"
import { type cpuinfo_entry, cpuinfo_x86_entry_vendor as Vendor } from "../../../proto/gen/cpuinfo_pb.ts"

/** CPUID's words for the makers that the image can name. */
const VENDORS: Readonly<Record<string, Vendor>> = { GenuineIntel: Vendor.INTEL, AuthenticAMD: Vendor.AMD }
/** That of FEATURE_WORDS. */
const CAPABILITY_VERSION = 2

/** Whether words have a feature. */
export const hasFeature = (words: readonly number[], [word, bit]: FeatureBit): boolean => (((words[word] ?? 0) >>> bit) & 1) === 1

/** Switches a feature of words. */
export function putFeature(words: number[], [word, bit]: FeatureBit, on: boolean): void {
  const old = words[word] ?? 0
  words[word] = (on ? old | (1 << bit) : old & ~(1 << bit)) >>> 0
}

/**
 * The words with what CRIU adds to CPUID's and takes away, so that a comparison bit by bit is one of CPUs. Not for K8 and the Pentium 4.
 */
export function capabilityWords({ vendor, family, words }: Pick<Cpu, "vendor" | "family" | "words">): number[] {
  const result = [...words]
  const maker = VENDORS[vendor]
  for (const feature of ALWAYS) putFeature(result, feature, true)
  if (maker === Vendor.AMD) putFeature(result, NOT_AMD, false)
  if ((maker === Vendor.AMD && family >= SINCE_FAMILY.amd) || (maker === Vendor.INTEL && family === SINCE_FAMILY.intel))
    putFeature(result, SINCE_FAMILY.feature, true)
  return result
}

/** Components of extended state as CRIU names them in the image. */
const namedComponents = ({ components, words }: Pick<Cpu, "components" | "words">): bigint =>
  COMPONENT_FEATURES.filter(([component, feature]) => !UNNAMED_COMPONENTS.includes(component) && hasFeature(words, feature)).reduce(
    (mask, [component]) => mask | (components & (1n << BigInt(component))),
    0n,
  )

/** This CPU -> the entry of cpuinfo.img. Mirror: ./compare.x86_64.ts */
export function collectCpu(cpu: Cpu = readCpu()): cpuinfo_entry {
  const { vendor, family, model, stepping, name } = cpu
  return {
    x86_entry: [
      {
        vendor_id: VENDORS[vendor] ?? Vendor.UNKNOWN,
        cpu_family: family,
        model,
        stepping,
        capability_ver: CAPABILITY_VERSION,
        capability: capabilityWords(cpu),
        ...(name === undefined ? {} : { model_id: name }),
        xfeatures_mask: namedComponents(cpu),
        xsave_size: cpu.stateSize,
        xsave_size_max: cpu.stateSizeMax,
      },
    ],
    ppc64_entry: [],
    s390_entry: [],
  }
}
