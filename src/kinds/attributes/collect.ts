import { KEY_REQKEY_DEFL_NO_CHANGE, KEYCTL } from "../../../ffi/abi/keys.ts"
import {
  ARCH,
  LDT_ENTRY_SIZE,
  MODIFY_LDT_READ,
  PERSONALITY_READ,
  PR,
  PR_MCE_KILL_DEFAULT,
  PR_SPEC_ENABLE,
  PR_SPEC_PRCTL,
  PR_TIMER_CREATE_RESTORE_IDS_GET,
  PR_TSC_ENABLE,
  SPECULATION_COUNT,
} from "../../../ffi/abi/prctl.ts"
import { XFEATURE_XTILE_DATA } from "../../../ffi/abi/xsave.x86_64.ts"
import type { task_core_entry, thread_core_entry } from "../../../proto/gen/core_pb.ts"
import type { mm_entry } from "../../../proto/gen/mm_pb.ts"
import type { stasis_task_entry, stasis_thread_entry } from "../../../proto/gen/stasis_pb.ts"
import { readAutogroupNiceIfAlive, readCoredumpFilterIfAlive, readLoginUidIfAlive, readOomScoreAdj } from "../../proc/attributes.ts"
import type { Stat } from "../../proc/stat.ts"
import type { Answers, Data, Program, Result } from "../../tracee/program.ts"
import { askFutexSlots } from "./futex-hash.ts"
import { askMembarrier, collectMembarrier, type MembarrierQuestions } from "./membarrier.ts"

/** Attributes of a process, by the image message that they go into. */
export interface ProcessAttributes {
  readonly entry: Pick<task_core_entry, "personality" | "loginuid" | "oom_score_adj" | "child_subreaper" | "membarrier_registration_mask">
  readonly mm: Pick<mm_entry, "dumpable" | "thp_disabled">
  readonly extension: Pick<
    stasis_task_entry,
    | "personality"
    | "coredump_filter"
    | "thp_disable"
    | "mdwe"
    | "memory_merge"
    | "futex_slots"
    | "timer_restore_ids"
    | "autogroup_nice"
    | "mlock_future"
    | "xstate_permission"
    | "guest_xstate_permission"
  >
}

/** Attributes of a thread, by the image message that they go into. */
export interface ThreadAttributes {
  readonly entry: Pick<thread_core_entry, "pdeath_sig">
  readonly extension: Pick<
    stasis_thread_entry,
    "personality" | "mce_kill" | "tsc" | "io_flusher" | "speculation" | "cpuid_faults" | "request_keyring"
  >
}

/** Where the answers about a process will be. */
export interface ProcessQuestions {
  readonly personality: Result
  readonly dumpable: Result
  readonly subreaper: Data
  readonly thpDisable: Result
  readonly mdwe: Result
  readonly memoryMerge: Result
  readonly futexSlots: Result
  readonly timerRestoreIds: Result
  readonly descriptorTable: Result
  readonly permission: Permission
  readonly guestPermission: Permission
  readonly membarrier: MembarrierQuestions
}

/** The question for a permission: where its bits will be, and how it ended. */
interface Permission {
  readonly bits: Data
  readonly answer: Result
}

function askPermission(program: Program, option: number): Permission {
  const bits = program.room(8)
  return { bits, answer: program.callWith({ mayFail: true }, "arch_prctl", option, bits) }
}

const permissionOf = (answers: Answers, { bits, answer }: Permission): bigint =>
  answers.of(answer) === 0n ? u64(answers, bits) & ON_REQUEST : 0n

/** Where the answers about a thread will be. */
export interface ThreadQuestions {
  readonly personality: Result
  readonly pdeathSignal: Data
  readonly mceKill: Result
  readonly tsc: Data
  readonly tscAnswer: Result
  readonly ioFlusher: Result
  readonly speculation: readonly Result[]
  readonly cpuid: Result
  readonly requestKeyring: Result
  readonly untagMask: Data
  readonly untagAnswer: Result
}

/** An option that this kernel, or this CPU, may lack: its failure means "not set". */
const askOption = (program: Program, option: number, argument: Data | number = 0): Result =>
  program.callWith({ mayFail: true }, "prctl", option, argument, 0, 0, 0)

/** Appends the questions about the process to the program of its leader. */
export function askAttributes(program: Program): ProcessQuestions {
  const subreaper = program.room(4)
  program.call("prctl", PR.GET_CHILD_SUBREAPER, subreaper, 0, 0, 0)
  return {
    personality: program.call("personality", PERSONALITY_READ),
    dumpable: program.call("prctl", PR.GET_DUMPABLE, 0, 0, 0, 0),
    subreaper,
    thpDisable: askOption(program, PR.GET_THP_DISABLE),
    mdwe: askOption(program, PR.GET_MDWE),
    memoryMerge: askOption(program, PR.GET_MEMORY_MERGE),
    futexSlots: askFutexSlots(program),
    timerRestoreIds: askOption(program, PR.TIMER_CREATE_RESTORE_IDS, PR_TIMER_CREATE_RESTORE_IDS_GET),
    // One entry: it answers how many bytes it has written, none when there is no table.
    descriptorTable: program.callWith({ mayFail: true }, "modify_ldt", MODIFY_LDT_READ, program.room(LDT_ENTRY_SIZE), LDT_ENTRY_SIZE),
    permission: askPermission(program, ARCH.GET_XCOMP_PERM),
    guestPermission: askPermission(program, ARCH.GET_XCOMP_GUEST_PERM),
    membarrier: askMembarrier(program),
  }
}

/** Appends the questions about a thread to its own program. */
export function askThreadAttributes(program: Program): ThreadQuestions {
  const pdeathSignal = program.room(4)
  program.call("prctl", PR.GET_PDEATHSIG, pdeathSignal, 0, 0, 0)
  const tsc = program.room(4)
  const untagMask = program.room(8)
  return {
    personality: program.call("personality", PERSONALITY_READ),
    pdeathSignal,
    mceKill: askOption(program, PR.MCE_KILL_GET),
    tsc,
    tscAnswer: askOption(program, PR.GET_TSC, tsc),
    ioFlusher: askOption(program, PR.GET_IO_FLUSHER),
    speculation: Array.from({ length: SPECULATION_COUNT }, (_, misfeature) => askOption(program, PR.GET_SPECULATION_CTRL, misfeature)),
    cpuid: program.callWith({ mayFail: true }, "arch_prctl", ARCH.GET_CPUID, 0),
    requestKeyring: program.callWith({ mayFail: true }, "keyctl", KEYCTL.SET_REQKEY_KEYRING, KEY_REQKEY_DEFL_NO_CHANGE),
    untagMask,
    untagAnswer: program.callWith({ mayFail: true }, "arch_prctl", ARCH.GET_UNTAG_MASK, untagMask),
  }
}

/**
 * Attributes of a process. Mirror: ./restore.ts
 *
 * @throws CheckpointError E_NO_PROCESS
 */
export function collectAttributes(
  { pid, session }: Pick<Stat, "pid" | "session">,
  answers: Answers,
  questions: ProcessQuestions,
): ProcessAttributes {
  const personality = Number(answers.of(questions.personality))
  const thpDisable = setting(answers, questions.thpDisable)
  const mdwe = setting(answers, questions.mdwe)
  const loginuid = readLoginUidIfAlive(pid)
  const coredump_filter = readCoredumpFilterIfAlive(pid)
  // The group is the session's: who does not lead it has no say in it.
  const autogroup_nice = session === pid ? readAutogroupNiceIfAlive(pid) : null
  const futexSlots = answers.of(questions.futexSlots)
  const permitted = permissionOf(answers, questions.permission)
  const guestPermitted = permissionOf(answers, questions.guestPermission)
  const registrations = collectMembarrier(answers, questions.membarrier)
  return {
    entry: {
      personality,
      oom_score_adj: readOomScoreAdj(pid),
      child_subreaper: u32(answers, questions.subreaper) !== 0,
      ...(loginuid === null ? {} : { loginuid }),
      ...(registrations ? { membarrier_registration_mask: registrations } : {}),
    },
    mm: { dumpable: Number(answers.of(questions.dumpable)), thp_disabled: thpDisable !== 0 },
    extension: {
      personality,
      ...(coredump_filter === null ? {} : { coredump_filter }),
      ...(thpDisable > 1 ? { thp_disable: thpDisable } : {}),
      ...(mdwe ? { mdwe } : {}),
      ...(setting(answers, questions.memoryMerge) ? { memory_merge: true } : {}),
      ...(futexSlots < 0n ? {} : { futex_slots: Number(futexSlots) }),
      ...(setting(answers, questions.timerRestoreIds) ? { timer_restore_ids: true } : {}),
      ...(autogroup_nice ? { autogroup_nice } : {}),
      ...(permitted ? { xstate_permission: permitted } : {}),
      ...(guestPermitted ? { guest_xstate_permission: guestPermitted } : {}),
    },
  }
}

/** Attributes of a thread; `processPersonality` is what `collectAttributes` found. Mirror: ./restore.ts */
export function collectThreadAttributes(answers: Answers, questions: ThreadQuestions, processPersonality: number): ThreadAttributes {
  const pdeath_sig = u32(answers, questions.pdeathSignal)
  const personality = Number(answers.of(questions.personality))
  const mce_kill = answers.of(questions.mceKill) < 0n ? PR_MCE_KILL_DEFAULT : Number(answers.of(questions.mceKill))
  const tsc = answers.of(questions.tscAnswer) < 0n ? PR_TSC_ENABLE : u32(answers, questions.tsc)
  const request_keyring = setting(answers, questions.requestKeyring)
  const speculation = questions.speculation.map((result) => speculationOf(setting(answers, result)))
  return {
    entry: pdeath_sig ? { pdeath_sig } : {},
    extension: {
      ...(personality === processPersonality ? {} : { personality }),
      ...(mce_kill === PR_MCE_KILL_DEFAULT ? {} : { mce_kill }),
      ...(tsc === PR_TSC_ENABLE ? {} : { tsc }),
      ...(setting(answers, questions.ioFlusher) ? { io_flusher: true } : {}),
      speculation: speculation.some((value) => value !== 0) ? speculation : [],
      ...(answers.of(questions.cpuid) === 0n ? { cpuid_faults: true } : {}),
      ...(request_keyring ? { request_keyring } : {}),
    },
  }
}

/** What a task chose for a misfeature, 0 = nothing that is not the default. */
const speculationOf = (answer: number): number => {
  const chosen = answer & ~PR_SPEC_PRCTL
  return answer & PR_SPEC_PRCTL && chosen !== PR_SPEC_ENABLE ? chosen : 0
}

const setting = (answers: Answers, result: Result): number => Math.max(0, Number(answers.of(result)))

/** Components that nobody may use who has not asked for them. */
const ON_REQUEST = 1n << BigInt(XFEATURE_XTILE_DATA)

const u64 = (answers: Answers, data: Data): bigint => {
  const bytes = answers.bytes(data)
  return new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true)
}

const u32 = (answers: Answers, data: Data): number => {
  const bytes = answers.bytes(data)
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true)
}
