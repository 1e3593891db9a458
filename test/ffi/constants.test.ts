import { expect, test } from "bun:test"
import { CLONE } from "../../ffi/abi/clone.ts"
import { MFD_ALLOW_SEALING, MFD_CLOEXEC, MFD_HUGETLB } from "../../ffi/abi/file.ts"
import { FUTEX } from "../../ffi/abi/futex.ts"
import { IPC, SEM, SHM } from "../../ffi/abi/ipc.ts"
import * as mman from "../../ffi/abi/mman.ts"
import { NT_X86_XSTATE, PTRACE, PTRACE_EVENT_STOP, PTRACE_O, PTRACE_PEEKSIGINFO_SHARED } from "../../ffi/abi/ptrace.ts"
import * as registers from "../../ffi/abi/registers.x86_64.ts"
import { CPU_ID_REGISTRATION_FAILED, CPU_ID_UNINITIALIZED, RSEQ_ORIGINAL_FEATURES, RSEQ_ORIGINAL_SIZE } from "../../ffi/abi/rseq.ts"
import * as signal from "../../ffi/abi/signal.ts"
import { W } from "../../ffi/abi/wait.ts"
import { FXREGS, XFEATURE, XFEATURE_XTILE_DATA, XSTATE_EXTENDED, XSTATE_HEADER } from "../../ffi/abi/xsave.x86_64.ts"
import { canCompile, evaluate, type Headers } from "./compiled.ts"

type Row = readonly [expression: string, value: number | bigint]

/** The members of an object of ours, under the prefix that the headers give them. */
const named = (prefix: string, values: Readonly<Record<string, number | bigint>>, renamed: Readonly<Record<string, string>> = {}): Row[] =>
  Object.entries(values).map(([name, value]) => [renamed[name] ?? `${prefix}${name}`, value])

const portable: readonly (readonly [Headers, readonly Row[]])[] = [
  [
    ["linux/ptrace.h", "linux/elf.h"],
    [
      ...named("PTRACE_", PTRACE, { CONT: "PTRACE_CONT", GETREGS: "12", SETREGS: "13" }),
      ...named("PTRACE_O_", PTRACE_O),
      ["PTRACE_EVENT_STOP", PTRACE_EVENT_STOP],
      ["PTRACE_PEEKSIGINFO_SHARED", PTRACE_PEEKSIGINFO_SHARED],
    ],
  ],
  [["linux/sched.h"], named("CLONE_", CLONE)],
  [["linux/futex.h"], named("FUTEX_", FUTEX)],
  [["linux/memfd.h"], named("", { MFD_CLOEXEC, MFD_ALLOW_SEALING, MFD_HUGETLB })],
  [["linux/wait.h"], named("W", W, { ALL: "__WALL" })],
  [["sys/sem.h"], [["GETPID", SEM.GETPID]]],
  [["sys/shm.h"], [...named("IPC_", IPC), ...named("SHM_", SHM)]],
  [
    ["sys/ioctl.h", "linux/mman.h", "asm/mman.h", "linux/fs.h", "linux/prctl.h", "golden/kernel.h"],
    [
      ...named("PROT_", mman.PROT),
      ...named("MAP_", mman.MAP),
      ...named("MADV_", mman.MADV),
      ...named("MREMAP_", mman.MREMAP),
      ...named("PAGE_IS_", mman.PAGE_IS),
      ...named("PM_", mman.PM),
      ["MLOCK_ONFAULT", mman.MLOCK_ONFAULT],
      ...named("MCL_", mman.MCL),
      ["(unsigned)PAGEMAP_SCAN", mman.PAGEMAP_SCAN],
      ["PR_SET_MM", mman.PR_SET_MM],
      ["PR_SET_MM_MAP", mman.PR_SET_MM_MAP],
      ["PR_SET_VMA", mman.PR_SET_VMA],
      ["PR_SET_VMA_ANON_NAME", mman.PR_SET_VMA_ANON_NAME],
    ],
  ],
  [
    ["linux/signal.h"],
    [
      ...named("SIG", signal.SIG),
      ...named("SA_", signal.SA),
      ...named("SIG_", signal.SIG_HOW),
      ...named("SI_", signal.SI),
      ["(long)SIG_IGN", signal.SIG_IGN],
      ["SS_DISABLE", signal.SS_DISABLE],
      ["sizeof(siginfo_t)", signal.SIGINFO_SIZE],
    ],
  ],
  [["signal.h"], [["_NSIG - 1", signal.NSIG]]],
  [
    ["linux/rseq.h"],
    [
      ["(unsigned)RSEQ_CPU_ID_UNINITIALIZED", CPU_ID_UNINITIALIZED],
      ["(unsigned)RSEQ_CPU_ID_REGISTRATION_FAILED", CPU_ID_REGISTRATION_FAILED],
      ["__alignof__(struct rseq)", RSEQ_ORIGINAL_SIZE],
      ["offsetof(struct rseq, flags) + sizeof(__u32)", RSEQ_ORIGINAL_FEATURES],
    ],
  ],
]

const x86_64: readonly (readonly [Headers, readonly Row[]])[] = [
  [["asm/ptrace-abi.h"], named("PTRACE_", { GETREGS: PTRACE.GETREGS, SETREGS: PTRACE.SETREGS })],
  [["linux/elf.h"], [["NT_X86_XSTATE", NT_X86_XSTATE]]],
  [
    ["linux/signal.h", "asm/sigcontext.h", "asm/ucontext.h", "golden/kernel.h"],
    [
      ["UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS", registers.UC_FLAGS],
      ["FP_XSTATE_MAGIC1", registers.FP_XSTATE_MAGIC1],
      ["FP_XSTATE_MAGIC2", registers.FP_XSTATE_MAGIC2],
      ["offsetof(struct _xstate, fpstate.sw_reserved)", registers.FP_SW_OFFSET],
      ["offsetof(struct _xstate, xstate_hdr)", XSTATE_HEADER],
      ["offsetof(struct _xstate, ymmh)", XSTATE_EXTENDED],
      ["offsetof(struct fxregs_state, st_space)", FXREGS.stAt],
      ["sizeof(((struct fxregs_state *)0)->st_space) / 4", FXREGS.stWords],
      ["offsetof(struct fxregs_state, xmm_space)", FXREGS.xmmAt],
      ["sizeof(((struct fxregs_state *)0)->xmm_space) / 4", FXREGS.xmmWords],
      ["USER_CS", registers.USER_CS],
      ["USER32_CS", registers.USER32_CS],
      ...named("XFEATURE_", XFEATURE),
      ["XFEATURE_XTILE_DATA", XFEATURE_XTILE_DATA],
    ],
  ],
]

test.skipIf(!canCompile)("constants of ffi/abi are the C compiler's", () => {
  for (const [headers, rows] of process.arch === "x64" ? [...portable, ...x86_64] : portable) {
    const found = evaluate(
      headers,
      rows.map(([expression]) => expression),
    )
    // Answers are signed: the highest bit of an unsigned one comes back negative.
    expect(rows.map(([expression], i) => [expression, BigInt.asUintN(64, found[i] ?? -1n)])).toEqual(
      rows.map(([expression, value]) => [expression, BigInt.asUintN(64, BigInt(value))]),
    )
  }
})

test("a signal's bit is that of its number less one; all 64 are ALL_SIGNALS", () => {
  expect(signal.sigbit(1)).toBe(1n)
  expect(signal.sigbit(64)).toBe(1n << 63n)
  expect(Array.from({ length: signal.NSIG }, (_, i) => signal.sigbit(i + 1)).reduce((set, bit) => set | bit)).toBe(signal.ALL_SIGNALS)
})
