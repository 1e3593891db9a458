import { ALL_SIGNALS, SIG } from "../../ffi/abi/signal.ts"
import { spawnChild } from "../../ffi/kernel.ts"
import { encode, layout } from "../../ffi/layout.ts"
import { probe } from "../../ffi/stub/gen/x86_64.ts"
import { allocate, attempt, errnoName, isFailure, pathArgument, SyscallError, syscall } from "../../ffi/syscall.ts"
import { logger } from "../base/log.ts"
import { deadlineIn, waitReport } from "../tracee/wait.ts"
import type { Regime } from "./state.ts"

const log = logger("rseq")
const SIGSEGV = 11
const CLONE_VM = 0x100
const CLONE_VFORK = 0x4000
const MFD_CLOEXEC = 1
const AT_EMPTY_PATH = 0x1000
const SIG_SETMASK = 2
/** Where the probe's code starts in its file, bytes: a page of its own. */
const CODE_AT = 4096

/** Head of an executable. Header: include/uapi/linux/elf.h */
const elfHeader = layout("Elf64_Ehdr", "include/uapi/linux/elf.h", 64, {
  magic: [0, "u32"],
  identity: [4, "u32"], // 64-bit, little-endian, version 1
  type: [16, "u16"],
  machine: [18, "u16"],
  version: [20, "u32"],
  entry: [24, "u64"],
  phoff: [32, "u64"],
  ehsize: [52, "u16"],
  phentsize: [54, "u16"],
  phnum: [56, "u16"],
})
const programHeader = layout("Elf64_Phdr", "include/uapi/linux/elf.h", 56, {
  type: [0, "u32"],
  flags: [4, "u32"],
  offset: [8, "u64"],
  vaddr: [16, "u64"],
  filesz: [32, "u64"],
  memsz: [40, "u64"],
  align: [48, "u64"],
})
/** Argument of clone3(2), as far as it is needed. Header: include/uapi/linux/sched.h */
const cloneArgs = layout("struct clone_args", "include/uapi/linux/sched.h", 64, { flags: [0, "u64"], exit_signal: [32, "u64"] })
const MACHINE = process.arch === "arm64" ? 183 : 62

/** The probe as an executable file of one readable, executable segment. */
function executable(): Uint8Array {
  const code = Buffer.from(probe.code, "base64")
  const file = new Uint8Array(CODE_AT + code.length)
  const entry = probe.base + probe.symbols._start
  file.set(
    encode(elfHeader, {
      magic: 0x464c457f,
      identity: 0x010102,
      type: 2,
      machine: MACHINE,
      version: 1,
      entry,
      phoff: 64,
      ehsize: 64,
      phentsize: 56,
      phnum: 1,
    }),
  )
  file.set(
    encode(programHeader, {
      type: 1,
      flags: 5,
      offset: CODE_AT,
      vaddr: probe.base,
      filesz: code.length,
      memsz: code.length,
      align: CODE_AT,
    }),
    64,
  )
  file.set(code, CODE_AT)
  return file
}

/** Offsets in the memory that starting the child needs, bytes. `SPAWN` ends with the two empty lists argv and envp. */
const CLONE_ARGS = 0
const SPAWN = 64
const EMPTY_LIST = 128
const OUR_MASK = 192
const NO_SIGNAL = 200
const FILE = 4096

/** Runs the probe as a child and waits for it, at most 2 s. @returns its wait status */
function runProbe(): number {
  const file = executable()
  const { address, bytes, view } = allocate(FILE + file.length)
  bytes.set(file, FILE)
  const fd = syscall("memfd_create", pathArgument("rseq-probe"), MFD_CLOEXEC)
  try {
    syscall("pwrite64", fd, address + FILE, file.length, 0)
    bytes.set(encode(cloneArgs, { flags: CLONE_VM | CLONE_VFORK, exit_signal: SIG.CHLD }), CLONE_ARGS)
    const words = [fd, pathArgument(""), address + EMPTY_LIST, address + EMPTY_LIST, AT_EMPTY_PATH]
    for (const [index, word] of words.entries()) view.setBigUint64(SPAWN + 8 * index, BigInt(word), true)
    view.setBigUint64(NO_SIGNAL, ALL_SIGNALS, true)
    syscall("rt_sigprocmask", SIG_SETMASK, address + NO_SIGNAL, address + OUR_MASK, 8)
    const child = spawnChild(address + CLONE_ARGS, cloneArgs.size, address + SPAWN)
    syscall("rt_sigprocmask", SIG_SETMASK, address + OUR_MASK, 0, 8)
    if (isFailure(child)) throw new SyscallError("clone3", errnoName(-child), [])
    return waitFor(child)
  } finally {
    attempt("close", fd)
  }
}

function waitFor(child: number): number {
  try {
    const report = waitReport(child, deadlineIn(2), "the probe of NO_RESTART sections")
    return report.kind === "gone" ? report.status : -1
  } catch (error) {
    attempt("kill", child, SIG.KILL)
    throw error
  }
}

let known: Regime | "none" | undefined

/**
 * Finds out once what this kernel does to a thread inside a section with NO_RESTART flags, by a child of ours that is in one.
 * About 3 ms; the child leaves no core file. "none": the kernel has no rseq at all.
 *
 * Kernel: kernel/rseq.c rseq_need_restart(), gone in Linux 6.19. Not told by the version: distributions carry both.
 */
export function probeRegime(): Regime | "none" {
  known ??= readRegime(runProbe())
  log.debug(`NO_RESTART sections are ${known} by this kernel`)
  return known
}

function readRegime(status: number): Regime | "none" {
  if ((status & 0x7f) === SIGSEGV) return "fatal"
  const exit = (["honoured", "ignored", "none"] as const)[status >> 8]
  if ((status & 0x7f) !== 0 || exit === undefined) throw new Error(`Unreachable: the rseq probe ended with status ${status}`)
  return exit
}

/** As `probeRegime`, for a thread that was met inside a section. */
export function kernelRegime(): Regime {
  const regime = probeRegime()
  // A process may be denied what another one was given (seccomp): then the gravest case is assumed.
  return regime === "none" ? "fatal" : regime
}
