import { CLONE, cloneArgs } from "../../../ffi/abi/clone.ts"
import { KCMP } from "../../../ffi/abi/file.ts"
import { PR, PR_TIMER_CREATE_RESTORE_IDS_GET } from "../../../ffi/abi/prctl.ts"
import { PTRACE_O, rseqConfiguration } from "../../../ffi/abi/ptrace.ts"
import { RSEQ_ORIGINAL_FEATURES } from "../../../ffi/abi/rseq.ts"
import { SIG } from "../../../ffi/abi/signal.ts"
import { decode, encode } from "../../../ffi/layout.ts"
import { allocate, attempt, errnoName, isFailure } from "../../../ffi/syscall.ts"
import { probeRegime } from "../../rseq/regime.ts"
import { endWaiter, startWaiter } from "../../tracee/seed.ts"
import { getRseqConfiguration, getXstate, tryPtrace } from "../../tracee/trace.ts"
import { fixedDeadline } from "../../tracee/wait.ts"
import { kernelRseq } from "../kernel-rseq.ts"
import type { Feature, Found } from "./feature.ts"

/** Seconds that a child may take to stop. */
const CHILD_SECONDS = 2

/** Starts a stopped child, looks, and kills it. */
function withStoppedChild(look: (tid: number) => Found): Found {
  const child = startWaiter(fixedDeadline(CHILD_SECONDS))
  try {
    return look(child)
  } finally {
    endWaiter(child)
  }
}

const answered = (what: string, answer: number): Found => ({
  present: !isFailure(answer),
  detail: `${what} answered${isFailure(answer) ? ` ${errnoName(-answer)}` : ""}`,
})

/**
 * Asks for a clone with our own PID: EEXIST where PIDs may be chosen, EPERM where we may not, no child ever.
 * Kernel: kernel/pid.c alloc_pid(), which looks at the rights before it looks at the number.
 */
function chosenPid(): Found {
  const { address, bytes, view } = allocate(4096)
  view.setInt32(256, process.pid, true)
  bytes.set(encode(cloneArgs, { flags: CLONE.VM | CLONE.VFORK, exit_signal: SIG.CHLD, set_tid: address + 256, set_tid_size: 1 }))
  const errno = errnoName(-attempt("clone3", address, cloneArgs.size))
  return { present: errno === "EEXIST", detail: `clone3 with a PID that is taken answered ${errno}` }
}

function duplicate(): Found {
  const pidfd = attempt("pidfd_open", process.pid, 0)
  if (isFailure(pidfd)) return answered("pidfd_open", pidfd)
  const copy = attempt("pidfd_getfd", pidfd, pidfd, 0)
  for (const fd of [copy, pidfd]) if (!isFailure(fd)) attempt("close", fd)
  return answered("pidfd_getfd", copy)
}

function openPidfd(): Found {
  const pidfd = attempt("pidfd_open", process.pid, 0)
  if (!isFailure(pidfd)) attempt("close", pidfd)
  return answered("pidfd_open", pidfd)
}

function registrations(): Found {
  if (probeRegime() === "none") return { present: false, detail: "rseq answered a failure to a child of ours (CONFIG_RSEQ, seccomp)" }
  const { featureSize, align } = kernelRseq()
  const found =
    featureSize === undefined ? `32 bytes only, ${RSEQ_ORIGINAL_FEATURES} filled in` : `feature size ${featureSize}, align ${align}`
  return { present: true, detail: found }
}

const REGIMES = {
  honoured: "they are honoured: a thread in such a section goes on in it",
  fatal: "they are fatal: the kernel kills a thread in such a section",
  ignored: "they are ignored: such a section is aborted as any other",
  none: "there are no restartable sequences here",
} as const

/** Tasks, and what stops, makes and compares them. */
export const taskFeatures: readonly Feature[] = [
  {
    name: "ptrace_seize",
    need: "required",
    lost: "any dump and any restore: processes are stopped and driven by it",
    probe: () => withStoppedChild(() => ({ present: true, detail: "a child was seized and stopped" })),
  },
  {
    name: "ptrace_get_rseq_configuration",
    need: "required",
    lost: "every process with restartable sequences: where they are registered stays unknown (Linux 5.13, CONFIG_CHECKPOINT_RESTORE)",
    probe: () =>
      withStoppedChild((tid) => {
        const answer = getRseqConfiguration(tid)
        if (typeof answer === "string") return { present: false, detail: `PTRACE_GET_RSEQ_CONFIGURATION answered ${answer}` }
        return {
          present: true,
          detail: `a child has ${decode(rseqConfiguration, answer).rseq_abi_pointer === 0n ? "no" : "a"} registration`,
        }
      }),
  },
  { name: "rseq", need: "better", lost: "processes that have registered restartable sequences (Linux 4.18)", probe: registrations },
  {
    name: "rseq_no_restart",
    need: "special",
    lost: "sections with NO_RESTART flags: the kernel does not let a thread finish them",
    probe: () => ({ present: probeRegime() === "honoured", detail: REGIMES[probeRegime()] }),
  },
  {
    name: "clone3_set_tid",
    need: "required",
    lost: "any restore: processes get their old PIDs by it (Linux 5.5, CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN)",
    probe: chosenPid,
  },
  { name: "pidfd_open", need: "required", lost: "open files: their state is read through it (Linux 5.3)", probe: openPidfd },
  { name: "pidfd_getfd", need: "required", lost: "open files: their state is read through it (Linux 5.6)", probe: duplicate },
  {
    name: "kcmp",
    need: "required",
    lost: "open files: which descriptors share one is told by it (CONFIG_KCMP)",
    probe: () => answered("kcmp", attempt("kcmp", process.pid, process.pid, KCMP.FS, 0, 0)),
  },
  {
    name: "timer_restore_ids",
    need: "better",
    lost: "speed: POSIX timers get their old numbers by making and deleting others (Linux 6.15)",
    probe: () =>
      answered("prctl(PR_TIMER_CREATE_RESTORE_IDS)", attempt("prctl", PR.TIMER_CREATE_RESTORE_IDS, PR_TIMER_CREATE_RESTORE_IDS_GET)),
  },
  {
    name: "seccomp_suspend",
    need: "special",
    lost: "processes under a seccomp filter: calls cannot be run in them (needs CAP_SYS_ADMIN)",
    probe: () =>
      withStoppedChild((tid) =>
        answered("PTRACE_O_SUSPEND_SECCOMP", tryPtrace("SETOPTIONS", tid, 0, PTRACE_O.EXITKILL | PTRACE_O.SUSPEND_SECCOMP)),
      ),
  },
  {
    name: "close_range",
    need: "required",
    lost: "any restore: descriptors of the restorer are closed by it (Linux 5.9)",
    // The highest numbers there are: no descriptor of ours is among them.
    probe: () => answered("close_range", attempt("close_range", 0xfffffff0, 0xffffffff, 0)),
  },
  {
    name: "xsave_size",
    need: "required",
    lost: "any dump: vector registers are read by PTRACE_GETREGSET",
    probe: () => withStoppedChild((tid) => ({ present: true, detail: `${getXstate(tid).length} bytes a thread` })),
  },
]
