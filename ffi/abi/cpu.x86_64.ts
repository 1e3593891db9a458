/** A register of CPUID's answer. */
export type CpuidRegister = "eax" | "ebx" | "ecx" | "edx"

/** 32 features of a CPU. */
interface FeatureWord {
  /** Where CPUID has them: leaf, subleaf, register; undefined = CPUID has none of them. */
  readonly from?: readonly [leaf: number, subleaf: number, register: CpuidRegister]
  /** Names as /proc/cpuinfo has them, by bit from 0, with a blank between; "-" = no name. */
  readonly names: string
}

/**
 * Words of cpuinfo.img with capability_ver 2, in their order; version 1 ends after the first FEATURE_WORDS_1.
 *
 * Authority: Intel SDM and AMD APM, CPUID; names: arch/x86/include/asm/cpufeatures.h. The numbers of the words were the kernel's once and
 * are CRIU's now: leaf 7 ECX is word 11 (16 in the kernel), leaf 0FH stands in 12 and 16. test/crossing/cpu.test.ts compares with
 * `criu cpuinfo dump`.
 *
 * Words 2, 3, 5, 7 and 8 are what the kernel has from other makers or has made up. CRIU leaves all but three bits of word 3 zero, see
 * ALWAYS.
 */
export const FEATURE_WORDS: readonly FeatureWord[] = [
  {
    from: [0x1, 0, "edx"],
    names:
      "fpu vme de pse tsc msr pae mce cx8 apic - sep mtrr pge mca cmov pat pse36 pn clflush - dts acpi mmx fxsr sse sse2 ss ht tm ia64 pbe",
  },
  // Bits that repeat those of leaf 1 have their names there.
  {
    from: [0x80000001, 0, "edx"],
    names: "- - - - - - - - - - - syscall - - - - - - - mp nx - mmxext - - fxsr_opt pdpe1gb rdtscp - lm 3dnowext 3dnow",
  },
  { names: "" },
  { names: "- - - - - - - - - - - - - - - - rep_good - - - nopl - - - - cpuid" },
  {
    from: [0x1, 0, "ecx"],
    names:
      "pni pclmulqdq dtes64 monitor ds_cpl vmx smx est tm2 ssse3 cid sdbg fma cx16 xtpr pdcm - pcid dca sse4_1 sse4_2 x2apic movbe popcnt tsc_deadline_timer aes xsave osxsave avx f16c rdrand hypervisor",
  },
  { names: "" },
  {
    from: [0x80000001, 0, "ecx"],
    names:
      "lahf_lm cmp_legacy svm extapic cr8_legacy abm sse4a misalignsse 3dnowprefetch osvw ibs xop skinit wdt - lwp fma4 tce - nodeid_msr - tbm topoext perfctr_core perfctr_nb - bpext ptsc perfctr_llc mwaitx",
  },
  { names: "" },
  { names: "" },
  {
    from: [0x7, 0, "ebx"],
    names:
      "fsgsbase tsc_adjust sgx bmi1 hle avx2 - smep bmi2 erms invpcid rtm cqm - mpx rdt_a avx512f avx512dq rdseed adx smap avx512ifma - clflushopt clwb intel_pt avx512pf avx512er avx512cd sha_ni avx512bw avx512vl",
  },
  { from: [0xd, 1, "eax"], names: "xsaveopt xsavec xgetbv1 xsaves xfd" },
  {
    from: [0x7, 0, "ecx"],
    names:
      "prefetchwt1 avx512vbmi umip pku ospke waitpkg avx512_vbmi2 shstk gfni vaes vpclmulqdq avx512_vnni avx512_bitalg tme avx512_vpopcntdq - la57 - - - - - rdpid - bus_lock_detect cldemote - movdiri movdir64b enqcmd sgx_lc",
  },
  { from: [0xf, 1, "edx"], names: "cqm_occup_llc cqm_mbm_total cqm_mbm_local" },
  {
    from: [0x80000008, 0, "ebx"],
    names:
      "clzero irperf xsaveerptr - rdpru - - - - wbnoinvd - - amd_ibpb - amd_ibrs amd_stibp - - - - - - - amd_ppin amd_ssbd virt_ssbd - cppc",
  },
  { from: [0x6, 0, "eax"], names: "dtherm ida arat - pln - pts hwp hwp_notify hwp_act_window hwp_epp hwp_pkg_req - - - - - - - hfi" },
  {
    from: [0x8000000a, 0, "edx"],
    names:
      "npt lbrv svm_lock nrip_save tsc_scale vmcb_clean flushbyasid decodeassists - - pausefilter - pfthreshold avic - v_vmsave_vmload vgif - x2avic - v_spec_ctrl - - - - vnmi",
  },
  { from: [0xf, 0, "edx"], names: "- cqm_llc" },
  { from: [0x80000007, 0, "ebx"], names: "overflow_recov succor - smca" },
  {
    from: [0x7, 0, "edx"],
    names:
      "- - avx512_4vnniw avx512_4fmaps fsrm - - - avx512_vp2intersect - md_clear - - - serialize - tsxldtrk - pconfig arch_lbr ibt - amx_bf16 avx512_fp16 amx_tile amx_int8 - - flush_l1d arch_capabilities",
  },
]
/** Words of capability_ver 1. */
export const FEATURE_WORDS_1 = 12

/** A feature: its word, and its bit there. */
export type FeatureBit = readonly [word: number, bit: number]

/** Leaf 0FH has a subleaf 1 only where this bit of EDX is set. */
export const MONITORS_CACHE = 1

/**
 * What CRIU sets although no leaf of CPUID tells it: nopl and cpuid on any x86-64, rep_good on the families that both makers have built
 * since.
 */
export const ALWAYS: readonly FeatureBit[] = [
  [3, 20],
  [3, 25],
]
export const SINCE_FAMILY = { feature: [3, 16], intel: 6, amd: 0x10 } as const
/** Bit 31 of word 0 (pbe) is another thing with AMD, see 3dnow. */
export const NOT_AMD: FeatureBit = [0, 31]

/** Features that are instructions for programs, or without which some fault. Not those of the kernel alone, nor mere speed. */
export const INSTRUCTIONS = [
  "fpu tsc cx8 sep cmov clflush mmx fxsr sse sse2 syscall mmxext rdtscp 3dnowext 3dnow nopl",
  "pni pclmulqdq ssse3 fma cx16 sse4_1 sse4_2 movbe popcnt aes xsave osxsave avx f16c rdrand",
  "lahf_lm abm sse4a misalignsse 3dnowprefetch xop lwp fma4 tbm mwaitx clzero rdpru",
  "fsgsbase bmi1 hle avx2 bmi2 rtm mpx rdseed adx clflushopt clwb sha_ni xsaveopt xsavec xgetbv1",
  "avx512f avx512dq avx512ifma avx512pf avx512er avx512cd avx512bw avx512vl avx512vbmi avx512_vbmi2 avx512_vnni avx512_bitalg",
  "avx512_vpopcntdq avx512_4vnniw avx512_4fmaps avx512_vp2intersect avx512_fp16 ospke waitpkg gfni vaes vpclmulqdq rdpid movdiri movdir64b",
  "enqcmd serialize tsxldtrk amx_bf16 amx_tile amx_int8",
].join(" ")

/** Features that saving and setting extended state rests on. */
export const STATE_FEATURES: readonly string[] = ["fpu", "fxsr", "osxsave", "xsaves"]

/** Components of extended state that CRIU knows, each with the feature that it belongs to: fpu, sse, avx, mpx, avx512f, pku. */
export const COMPONENT_FEATURES: readonly (readonly [component: number, feature: FeatureBit])[] = [
  [0, [0, 0]],
  [1, [0, 25]],
  [2, [4, 28]],
  [3, [9, 14]],
  [4, [9, 14]],
  [5, [9, 16]],
  [6, [9, 16]],
  [7, [9, 16]],
  [9, [11, 3]],
]
/** CRIU (4.1.1) never names SSE's and the first of MPX's, by a slip in its mask, and refuses a set that does. */
export const UNNAMED_COMPONENTS: readonly number[] = [1, 3]
