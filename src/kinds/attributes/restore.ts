import { KEYCTL } from "../../../ffi/abi/keys.ts"
import { ARCH, PR, PR_MCE_KILL_SET, PR_TIMER_CREATE_RESTORE_IDS_ON, TASK_COMM_LEN } from "../../../ffi/abi/prctl.ts"
import { NSIG } from "../../../ffi/abi/signal.ts"
import { damagedImage } from "../../base/errors.ts"
import { logger } from "../../base/log.ts"
import { encodeText } from "../../proc/text.ts"
import type { Program } from "../../tracee/program.ts"
import type { ProcessAttributes, ThreadAttributes } from "./collect.ts"
import { restoreMembarrier } from "./membarrier.ts"
import { isMerging } from "./shed.ts"

const log = logger("attributes")

/** What an image set says; `extension` is undefined for images of CRIU, whose attributes stay as inherited. */
type FromImage = Omit<ProcessAttributes, "extension"> & { readonly extension: ProcessAttributes["extension"] | undefined }

/**
 * Appends attributes of the process to its leader's program. Mirror: ./collect.ts; rest: `sealProcess`, ./from-outside.ts
 *
 * Preconditions: POSIX timers are made; CAP_SYS_RESOURCE is not yet dropped (memory merge); rseq of all threads is registered, where
 * membarrier asks for it.
 */
export function restoreAttributes({ entry, mm, extension }: FromImage, program: Program): void {
  const thp = extension?.thp_disable ?? (mm.thp_disabled ? 1 : 0)
  program.callWith({ about: "the switch of huge pages" }, "prctl", PR.SET_THP_DISABLE, thp & 1, 0, 0, 0)
  // "Except where advised" exists since 6.18; on older kernels huge pages stay off altogether, as the line above did.
  if (thp > 1) program.callWith({ mayFail: true }, "prctl", PR.SET_THP_DISABLE, 1, thp & ~1, 0, 0)
  const merges = extension?.memory_merge ?? false
  if (merges || (extension && isMerging()))
    program.callWith({ about: "merging of equal pages" }, "prctl", PR.SET_MEMORY_MERGE, Number(merges), 0, 0, 0)
  if (entry.child_subreaper) program.call("prctl", PR.SET_CHILD_SUBREAPER, 1, 0, 0, 0)
  if (extension?.timer_restore_ids) program.call("prctl", PR.TIMER_CREATE_RESTORE_IDS, PR_TIMER_CREATE_RESTORE_IDS_ON, 0, 0, 0)
  // Each thread that needs the room for it is given that by its first instruction of the kind.
  requestComponents(extension?.xstate_permission, ARCH.REQ_XCOMP_PERM, "use", program)
  requestComponents(extension?.guest_xstate_permission, ARCH.REQ_XCOMP_GUEST_PERM, "give virtual machines", program)
  restoreMembarrier(entry.membarrier_registration_mask ?? 0, program)
}

function requestComponents(permission = 0n, option: number, to: string, program: Program): void {
  for (let component = 0, left = permission; left !== 0n; component++, left >>= 1n)
    if (left & 1n) {
      const about = `the permission to ${to} component ${component} of the extended state (AMX)`
      program.callWith({ about }, "arch_prctl", option, component)
    }
}

/**
 * Appends what must come last in the leader: dumpable, and the ban on new executable memory.
 *
 * Preconditions: credentials of every thread are final, in a run that has ended, since a thread that changes its IDs sets dumpable for
 * the whole process (kernel/cred.c commit_creds()); no mapping is made executable afterwards.
 */
export function sealProcess({ mm, extension }: Pick<FromImage, "mm" | "extension">, program: Program): void {
  const { dumpable } = mm
  // prctl takes 0 and 1. 2 comes from fs.suid_dumpable when IDs change: "core dumps for root only", to which 0 is nearest.
  if (dumpable === 2) log.warn("the task was dumpable by root only: it becomes not dumpable")
  if (dumpable !== undefined)
    program.callWith({ about: `dumpable ${dumpable}` }, "prctl", PR.SET_DUMPABLE, dumpable === 2 ? 0 : dumpable, 0, 0, 0)
  if (extension?.mdwe) program.callWith({ about: "the ban on new executable memory" }, "prctl", PR.SET_MDWE, extension.mdwe, 0, 0, 0)
}

/**
 * Appends attributes of a thread to its own program. Mirror: ./collect.ts; rest: `sealThread`
 *
 * @param comm the thread's name: of the leader tc.comm, of others thread_core.comm, or the leader's where that is absent
 * @param extension undefined for images of CRIU
 * @param processPersonality of our extension's task entry; undefined = leave as inherited
 * Preconditions: memory is mapped, since a personality may make readable pages executable; privileges are not yet dropped.
 */
export function restoreThreadAttributes(
  comm: string | undefined,
  extension: ThreadAttributes["extension"] | undefined,
  processPersonality: number | undefined,
  program: Program,
): void {
  const personality = extension?.personality ?? processPersonality
  if (personality !== undefined) program.callWith({ about: "the personality" }, "personality", personality)
  if (comm !== undefined) program.call("prctl", PR.SET_NAME, nameOf(comm, program), 0, 0, 0)
  if (extension?.mce_kill !== undefined) program.call("prctl", PR.MCE_KILL, PR_MCE_KILL_SET, extension.mce_kill, 0, 0)
  if (extension?.tsc !== undefined)
    program.callWith({ about: "faults of the time stamp counter" }, "prctl", PR.SET_TSC, extension.tsc, 0, 0, 0)
  if (extension?.io_flusher) program.callWith({ about: "the I/O flusher state (CAP_SYS_RESOURCE)" }, "prctl", PR.SET_IO_FLUSHER, 1, 0, 0, 0)
  for (const [misfeature, value] of (extension?.speculation ?? []).entries())
    if (value) program.callWith({ about: `speculation control ${misfeature}` }, "prctl", PR.SET_SPECULATION_CTRL, misfeature, value, 0, 0)
  if (extension?.cpuid_faults) program.callWith({ about: "faults of CPUID" }, "arch_prctl", ARCH.SET_CPUID, 0)
  const keyring = extension?.request_keyring
  if (keyring) program.callWith({ about: "the keyring of requested keys" }, "keyctl", KEYCTL.SET_REQKEY_KEYRING, keyring)
}

/**
 * Appends the signal that the thread gets when its parent ends; none when the image has none.
 *
 * @throws CheckpointError E_IMAGE_CORRUPT not a signal. Precondition: credentials are final, since changing them clears it.
 */
export function sealThread({ pdeath_sig = 0 }: ThreadAttributes["entry"], program: Program): void {
  if (pdeath_sig > NSIG) throw damagedImage("Cannot restore a thread", `its parent's death would send it signal ${pdeath_sig}`)
  if (pdeath_sig) program.call("prctl", PR.SET_PDEATHSIG, pdeath_sig, 0, 0, 0)
}

/** A thread's name as the kernel takes it: bytes that are not UTF-8 included, 15 of them at most. */
function nameOf(comm: string, program: Program) {
  const bytes = new Uint8Array(TASK_COMM_LEN)
  bytes.set(encodeText(comm).subarray(0, TASK_COMM_LEN - 1))
  return program.bytes(bytes)
}
