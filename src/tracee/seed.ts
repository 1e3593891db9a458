import { CLONE, cloneArgs, elfHeader, elfSegment } from "../../ffi/abi/clone.ts"
import { PTRACE_O } from "../../ffi/abi/ptrace.ts"
import { ALL_SIGNALS, SIG } from "../../ffi/abi/signal.ts"
import { closeSync, ftruncateSync, writeSync } from "../../ffi/fs.ts"
import { spawnChild } from "../../ffi/kernel.ts"
import { encodeInto } from "../../ffi/layout.ts"
import { seed } from "../../ffi/stub/gen/x86_64.ts"
import { allocate, attempt, errnoName, pathArgument, SyscallError, syscall } from "../../ffi/syscall.ts"
import { CheckpointError } from "../base/errors.ts"
import { ptrace } from "./trace.ts"
import { checkDeadline, type Deadline, waitReport } from "./wait.ts"

const EM_X86_64 = 62
const AT_EMPTY_PATH = 0x1000
const MFD_CLOEXEC = 1
const HEAD = 0x1000 // the code stands in the file's second page
const memory = allocate(4096)

/** The seed as an ELF file of one segment. */
export function seedFile(): Uint8Array {
  const code = Buffer.from(seed.code, "base64")
  const file = new Uint8Array(HEAD + code.length)
  encodeInto(elfHeader, file, {
    magic: 0x464c457f,
    class: 2,
    data: 1,
    version: 1,
    e_type: 2,
    e_machine: EM_X86_64,
    e_version: 1,
    e_entry: seed.base + seed.symbols._start,
    e_phoff: elfHeader.size,
    e_ehsize: elfHeader.size,
    e_phentsize: elfSegment.size,
    e_phnum: 1,
  })
  const segment = {
    p_type: 1,
    p_flags: 5,
    p_offset: HEAD,
    p_vaddr: seed.base,
    p_paddr: seed.base,
    p_filesz: code.length,
    p_memsz: code.length,
    p_align: HEAD,
  }
  encodeInto(elfSegment, file, segment, elfHeader.size)
  file.set(code, HEAD)
  return file
}

/** A system call instruction in the seed that a remote call can use. */
export const SEED_SYSCALL = BigInt(seed.base + seed.symbols.remote_syscall)

/** Makes a memfd. @throws SyscallError */
export function memoryFile(name: string, size: number, closeOnExec: boolean): number {
  const fd = syscall("memfd_create", pathArgument(name), closeOnExec ? MFD_CLOEXEC : 0)
  if (size) ftruncateSync(fd, size)
  return fd
}

/** One try to start the seed as process `pid`; the PID or -errno. Every signal is blocked meanwhile, and stays blocked in the child. */
function cloneSeed(fd: number, pid: number, sibling: boolean): number {
  const { address, view, bytes } = memory
  bytes.fill(0, 0, 512)
  view.setInt32(128, pid, true)
  encodeInto(cloneArgs, bytes, {
    flags: CLONE.VM | CLONE.VFORK | (sibling ? CLONE.PARENT : 0),
    exit_signal: sibling ? 0 : SIG.CHLD,
    set_tid: address + 128,
    set_tid_size: 1,
  })
  // execveat(fd, "", ["stasis"], [], AT_EMPTY_PATH)
  const [name, empty, argv, spawn] = [144, 160, 168, 192] as const
  bytes.set(Buffer.from("stasis\0"), name)
  view.setBigUint64(argv, BigInt(address + name), true)
  const call = [fd, address + empty, address + argv, address + argv + 8, AT_EMPTY_PATH]
  for (const [i, value] of call.entries()) view.setBigUint64(spawn + 8 * i, BigInt(value), true)
  const mask = 256
  view.setBigUint64(mask, ALL_SIGNALS, true)
  syscall("rt_sigprocmask", 2 /* SIG_SETMASK */, address + mask, address + mask + 8, 8)
  try {
    return spawnChild(address, cloneArgs.size, address + spawn)
  } finally {
    syscall("rt_sigprocmask", 2, address + mask + 8, 0, 8)
  }
}

/**
 * Starts the process that a restore builds on: a static program without libc, stopped and traced, that dies with the tool.
 *
 * It has the wanted PID from its first moment. Inherited are the tool's descriptors without close-on-exec, and its full signal mask.
 *
 * @param owner says who has the PID, for the error; "" when nobody can be found
 * @throws CheckpointError E_PID_TAKEN after the deadline's start when the owner is alive · E_PERMISSION · E_KERNEL
 * Kernel: clone3(2) with set_tid (Linux 5.5), needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN.
 */
export function spawnSeed(
  pid: number,
  sibling: boolean,
  deadline: Deadline,
  owner: (pid: number) => { name: string; dying: boolean },
): void {
  const fd = memoryFile("stasis-seed", 0, true)
  try {
    writeSync(fd, seedFile())
    for (;;) {
      const answer = cloneSeed(fd, pid, sibling)
      if (answer === pid) break
      const errno = errnoName(-answer)
      const cause = new SyscallError("clone3", errno, [pid])
      if (errno !== "EEXIST") throw refusedClone(pid, errno, cause)
      const { name, dying } = owner(pid)
      // A killed process keeps its PID until its parent reaps it, so a dying owner is waited for.
      if (!dying)
        throw new CheckpointError(
          "E_PID_TAKEN",
          `Cannot create process ${pid}`,
          `the PID belongs to ${name}`,
          "End that process, or restore in a PID namespace of its own",
          cause,
        )
      checkDeadline(deadline, `the wait for PID ${pid}, which belongs to ${name}`)
      attempt("poll", 0, 0, 2)
    }
  } finally {
    closeSync(fd)
  }
  try {
    ptrace("SEIZE", pid, 0, PTRACE_O.TRACESYSGOOD | PTRACE_O.EXITKILL)
    ptrace("INTERRUPT", pid)
    const report = waitReport(pid, deadline, `the start of process ${pid}`)
    if (report.kind === "gone") throw new Error(`The seed ended with status ${report.status} instead of waiting`)
  } catch (error) {
    attempt("kill", pid, SIG.KILL)
    throw error
  }
}

function refusedClone(pid: number, errno: string, cause: SyscallError): CheckpointError {
  const action = `Cannot create process ${pid}`
  if (errno === "EPERM")
    return new CheckpointError("E_PERMISSION", action, "choosing a PID is not allowed", "Run as root or with CAP_CHECKPOINT_RESTORE", cause)
  if (errno === "EINVAL")
    return new CheckpointError(
      "E_KERNEL",
      action,
      "the kernel does not take this PID",
      "Use Linux 5.5 or newer; look at /proc/sys/kernel/pid_max",
      cause,
    )
  return new CheckpointError(
    "E_RESTORE",
    action,
    `clone3 answered ${errno}`,
    "Look at the limits of processes and memory (ulimit -u, cgroup)",
    cause,
  )
}
