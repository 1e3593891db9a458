import { describe, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { COMPONENT_FEATURES, FEATURE_WORDS, INSTRUCTIONS as INSTRUCTION_NAMES, STATE_FEATURES } from "../../../ffi/abi/cpu.x86_64.ts"
import { type Cpu, type CpuidAnswer, readCpu } from "../../../ffi/cpu.x86_64.ts"
import { type cpuinfo_entry, cpuinfo_entrySchema, cpuinfo_x86_entry_vendor } from "../../../proto/gen/cpuinfo_pb.ts"
import { capabilityWords, collectCpu } from "../../../src/kinds/cpu/collect.x86_64.ts"
import { compareCpu, featureName } from "../../../src/kinds/cpu/compare.x86_64.ts"
import { hasNamed, putFeatures } from "../../live/images.ts"
import { throughBytes } from "../fixture.ts"

const INSTRUCTIONS = INSTRUCTION_NAMES.split(" ")

/** A CPU that answers from a table; every leaf beyond its last ones answers with garbage, as Intel's do. */
function cpuOf(leaves: Readonly<Record<string, readonly [number, number, number, number]>>): Cpu {
  return readCpu((leaf, subleaf): CpuidAnswer => {
    const [eax, ebx, ecx, edx] = leaves[`${leaf.toString(16)}.${subleaf}`] ?? [0xdead, 0xdead, 0xdead, 0xdead]
    return { eax, ebx, ecx, edx }
  })
}
const letters = (text: string, at: number): number => Buffer.from(text.padEnd(16, "\0"), "latin1").readUInt32LE(at)
const maker = (last: number, name: string): [number, number, number, number] => [last, letters(name, 0), letters(name, 8), letters(name, 4)]

/** The answers of the machine on which CRIU 4.1.1 wrote WORDS. */
const EPYC = {
  "0.0": maker(0x1c, "AuthenticAMD"),
  "1.0": [0x00b00f21, 0x01020800, 0xfffa3203, 0x178bfbff],
  "6.0": [4, 0, 0, 0],
  "7.0": [1, 0xf1bf07ab, 0x00405fc6, 0x110],
  "d.0": [0xe7, 0x980, 0x980, 0],
  "d.1": [0xf, 0x9a8, 0x1800, 0],
  "f.0": [0, 0, 0, 0],
  "80000000.0": maker(0x80000021, "AuthenticAMD"),
  "80000001.0": [0x00b00f21, 0x40000000, 0x004003f3, 0x2fd3fbff],
  "80000002.0": [0, 4, 8, 12].map((at) => letters("AMD EPYC", at)) as unknown as [number, number, number, number],
  "80000003.0": [0, 0, 0, 0],
  "80000004.0": [0, 0, 0, 0],
  "80000007.0": [0, 0, 0, 0x100],
  "80000008.0": [0x303030, 0x50020005, 0x7001, 0],
  "8000000a.0": [0, 0, 0, 0],
} as const satisfies Record<string, readonly [number, number, number, number]>

describe("collectCpu", () => {
  test("makes of CPUID's answers what CRIU 4.1.1 wrote with the same ones", () => {
    const { x86_entry } = throughBytes(cpuinfo_entrySchema, collectCpu(cpuOf(EPYC)))
    expect(x86_entry).toEqual([
      {
        vendor_id: cpuinfo_x86_entry_vendor.AMD,
        cpu_family: 26,
        model: 2,
        stepping: 1,
        capability_ver: 2,
        // biome-ignore format: as crit shows them
        capability: [
          395049983, 802421759, 0, 34668544, 4294586883, 0, 4195315, 0, 0, 4055828395, 15, 4218822, 0, 1342308357, 4, 0, 0, 0, 272,
        ],
        model_id: "AMD EPYC",
        xfeatures_mask: 229n,
        xsave_size: 2432,
        xsave_size_max: 2432,
      },
    ])
  })

  test("an Intel CPU of family 6, with cache monitoring and a name that begins with blanks", () => {
    const cpu = cpuOf({
      "0.0": maker(0xf, "GenuineIntel"),
      "1.0": [0x000806f8, 0, 1, 0x80000001],
      "6.0": [0, 0, 0, 0],
      "7.0": [0, 1 << 16, 0, 0],
      "d.0": [7, 832, 2696, 0],
      "d.1": [1, 0, 0, 0],
      "f.0": [0, 0, 0, 2],
      "f.1": [0, 0, 0, 7],
      "80000000.0": [0x80000008, 0, 0, 0],
      "80000001.0": [0, 0, 1, 0],
      "80000002.0": [0, 4, 8, 12].map((at) => letters("        Intel(R)", at)) as unknown as [number, number, number, number],
      "80000003.0": [0, 4, 8, 12].map((at) => letters(" Xeon", at)) as unknown as [number, number, number, number],
      "80000004.0": [0, 0, 0, 0],
      "80000007.0": [0, 0, 0, 0],
      "80000008.0": [0, 0, 0, 0],
    })
    expect(cpu).toMatchObject({ vendor: "GenuineIntel", family: 6, model: 0x8f, stepping: 8, name: "Intel(R) Xeon" })
    expect([cpu.words[12], cpu.words[15], cpu.words[16]]).toEqual([7, 0, 2])
    expect(["rep_good", "nopl", "cpuid", "pbe", "avx512f", "vme"].map((name) => hasNamed(capabilityWords(cpu), name))).toEqual([
      true,
      true,
      true,
      true,
      true,
      false,
    ])
    // Without the bit of AVX in leaf 1 its component is not named, whatever leaf 0DH says.
    expect(collectCpu(cpu).x86_entry[0]).toMatchObject({ xfeatures_mask: 1n, xsave_size: 832, xsave_size_max: 2696 })
  })

  test("a CPU without the upper leaves has none of their features", () => {
    const cpu = cpuOf({ "0.0": maker(1, "CentaurHauls"), "1.0": [0x6f0, 0, 2, 1], "80000000.0": [0, 0, 0, 0] })
    expect(cpu.name).toBeUndefined()
    expect(cpu.words.map((value, word) => [word, value]).filter(([, value]) => value !== 0)).toEqual([
      [0, 1],
      [4, 2],
    ])
    expect(collectCpu(cpu).x86_entry[0]).toMatchObject({ vendor_id: cpuinfo_x86_entry_vendor.UNKNOWN, xfeatures_mask: 0n })
  })
})

describe("FEATURE_WORDS", () => {
  const names = FEATURE_WORDS.flatMap((word) => word.names.split(" ")).filter((name) => name !== "-" && name !== "")

  test("no name is there twice, no word is longer than 32 bits, and every instruction has a bit", () => {
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([])
    for (const { names: bits } of FEATURE_WORDS) expect(bits.split(" ").length).toBeLessThanOrEqual(32)
    for (const name of [...INSTRUCTIONS, ...STATE_FEATURES]) expect(names).toContain(name)
  })

  test("components and their features", () => {
    const named = COMPONENT_FEATURES.map(([component, feature]) => `${component} ${featureName(feature)}`)
    expect(named).toEqual(["0 fpu", "1 sse", "2 avx", "3 mpx", "4 mpx", "5 avx512f", "6 avx512f", "7 avx512f", "9 pku"])
  })

  test("this CPU has the instructions that /proc/cpuinfo names", () => {
    const flags = /^flags\s*: (.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1]?.split(" ") ?? []
    const words = capabilityWords(readCpu())
    const [here, shown] = [INSTRUCTIONS.filter((name) => hasNamed(words, name)), INSTRUCTIONS.filter((name) => flags.includes(name))]
    expect(shown.filter((name) => !here.includes(name))).toEqual([])
    // The kernel shows none of the first two, and takes out what it distrusts: RDSEED of some CPUs, TSX of others, and what a guest of PVM
    // (virtual machines without help of the CPU) cannot have or was not promised.
    const hidden = ["osxsave", "rdpru", "rdseed", "rtm", "hle", "fsgsbase", "abm", "sse4a"]
    expect(here.filter((name) => !shown.includes(name) && !hidden.includes(name))).toEqual([])
  })
})

describe("compareCpu", () => {
  const here = cpuOf(EPYC)
  const changed = (change: (entry: cpuinfo_entry["x86_entry"][number]) => void): cpuinfo_entry => {
    const entry = collectCpu(here)
    for (const one of entry.x86_entry) change(one)
    return entry
  }
  const same = { dumped: "AMD EPYC", lacks: [], besides: [], instructions: [], components: [], state: [] }

  test("the same CPU", () => {
    expect(compareCpu(collectCpu(here), here)).toEqual(same)
  })

  test("one that had less", () => {
    expect(compareCpu(changed(putFeatures(false, "avx512f", "vaes")), here)).toEqual({ ...same, besides: ["avx512f", "vaes"] })
  })

  test("one that had more: instructions are told from what only the kernel uses", () => {
    const difference = compareCpu(changed(putFeatures(true, "rtm", "vmx", "amx_tile")), here)
    expect(difference).toEqual({ ...same, lacks: ["vmx", "rtm", "amx_tile"], instructions: ["rtm", "amx_tile"] })
  })

  test("a bit without a name", () => {
    const difference = compareCpu(
      changed((entry) => entry.capability.splice(7, 1, 0x80)),
      here,
    )
    expect(difference).toEqual({ ...same, lacks: ["bit 7 of word 7"] })
  })

  test("extended state: components and sizes; SSE's component, which CRIU does not name, may be named", () => {
    expect(
      compareCpu(
        changed((entry) => (entry.xfeatures_mask = 0xe7n)),
        here,
      ),
    ).toEqual(same)
    const difference = compareCpu(
      changed((entry) => Object.assign(entry, { xfeatures_mask: 0x2e5n, xsave_size: 2440, xsave_size_max: 11008 })),
      here,
    )
    expect(difference).toEqual({
      ...same,
      components: ["xsave component 9 (pku)"],
      state: [
        "xsave components 0x200 are not turned on here",
        "2440 bytes of extended state are 2432 here",
        "11008 bytes of extended state at most are 2432 here",
      ],
    })
  })

  test("a component is not told beside its instructions", () => {
    const lesser = { ...here, components: 7n, words: here.words.map((value, word) => (word === 9 ? value & 0xffff : value)) }
    const difference = compareCpu(collectCpu(here), lesser)
    expect(difference?.instructions).toContain("avx512f")
    expect(difference?.components).toEqual([])
    expect(difference?.state).toEqual(["xsave components 0xe0 are not turned on here"])
  })

  test("the words of version 1 end with leaf 7", () => {
    const old = changed((entry) => {
      putFeatures(true, "rtm")(entry)
      Object.assign(entry, { capability_ver: 1, capability: entry.capability.slice(0, 12) })
    })
    expect(compareCpu(old, here)).toEqual({ ...same, lacks: ["rtm"], instructions: ["rtm"] })
  })

  test("what cannot be compared: no x86 entry, a version that is not known, words that are too few", () => {
    for (const entry of [
      { x86_entry: [], ppc64_entry: [], s390_entry: [] },
      changed((one) => (one.capability_ver = 3)),
      changed((one) => one.capability.pop()),
    ])
      expect(compareCpu(entry, here)).toBeUndefined()
  })
})
