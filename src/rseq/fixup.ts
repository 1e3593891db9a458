import type { Registers } from "../../ffi/abi/registers.x86_64.ts"
import { CheckpointError } from "../base/errors.ts"
import type { RemoteAddress } from "../base/units.ts"
import type { FrozenThread } from "../tracee/frozen.ts"
import { writeWord } from "../tracee/memory.ts"
import { settled } from "./arch.x86_64.ts"
import { memberAddress } from "./area.ts"
import type { RseqClass, RseqState } from "./state.ts"

/**
 * What has to be done to a thread so that running something in it loses nothing, by class.
 *
 * Why: the kernel sees the injected code outside of the section and clears rseq_cs, so a thread put back at its old IP would finish
 * the section unprotected.
 */
const FIXUP: Readonly<Record<RseqClass, (thread: FrozenThread, state: RseqState, proven: boolean) => void>> = {
  unregistered: () => {},
  idle: () => {},
  outside: () => {},
  abortable: (thread, state, proven) => {
    if (!proven) thread.guess = { at: rseqCsAddress(state), otherwise: thread.resume }
    thread.resume = resumedRegisters(thread.registers, state)
  },
  "no-restart": (thread, state) => {
    // A warning tells of a kernel that kills for it. Whom the tool left behind lives on without it.
    thread.rseqCs = { at: rseqCsAddress(state), value: state.rseqCs, alone: state.warning === undefined }
  },
  // To Linux 6.18 the kernel looks at the descriptor wherever the thread is, and would kill it at the first injected instruction.
  malformed: (thread, state) => {
    thread.rseqCs = { at: rseqCsAddress(state), value: state.rseqCs, alone: false }
    writeWord(thread.tid, rseqCsAddress(state), 0n)
    thread.touched = true
  },
}

/**
 * Prepares a frozen thread for injected code: where it goes on afterwards, or what is written back last.
 *
 * A thread in which nothing is run after this is still left to the kernel's own fix-up (a malformed one is put back as it was).
 * Precondition: called once, before `borrowAll`, so that the frames that survive a death of the tool know it too. They believe a guess
 * that is not proved yet: half a section without protection is worse than an abort too many.
 *
 * @param proven false for a registration that was guessed: a dump that fails then sends the thread on as the kernel would have
 * @throws SyscallError EFAULT malformed only: the area cannot be written
 */
export const applyFixup = (thread: FrozenThread, state: RseqState, proven: boolean): void => FIXUP[state.class](thread, state, proven)

/** Address of the thread's rseq_cs word. Precondition: the thread is registered. */
export function rseqCsAddress({ tid, registration }: RseqState): RemoteAddress {
  if (!registration) throw new Error(`Unreachable: thread ${tid} has no rseq registration`)
  return memberAddress(registration.abiPointer, "rseq_cs")
}

/**
 * Registers with which the thread goes on, alive and in the image: of an abortable section those that the kernel would have made,
 * else the same. A system call that was interrupted inside the section is rewound first, as the kernel does, and so never restarted.
 */
export function resumedRegisters(registers: Registers, { class: kind, section }: Pick<RseqState, "class" | "section">): Registers {
  return kind === "abortable" && section ? { ...settled(registers), ip: section.abortIp } : registers
}

/** Bytes that the saved memory must have, whatever was found in it. */
interface ImagePatch {
  readonly address: RemoteAddress
  readonly bytes: Uint8Array
}

/**
 * Patches for the saved memory: rseq_cs is 0 in every thread.
 *
 * Abortable and outside: as the kernel would have left it. No-restart and malformed: restore writes the pointer last, from
 * `rseq_cs_pointer`. Up to Linux 6.13 a registration on top of a pointer that is not 0 can kill the thread, so it must never be there.
 */
export const imagePatches = (states: readonly RseqState[]): ImagePatch[] =>
  states.filter(({ rseqCs }) => rseqCs !== 0n).map((state) => ({ address: rseqCsAddress(state), bytes: new Uint8Array(8) }))

/**
 * Refuses a process with malformed threads. With "keep" only a thread is refused whose area cannot even be read and written: nothing
 * could be run in it, or put back.
 *
 * @throws CheckpointError E_RSEQ_MALFORMED, naming every such thread
 */
export function refuseMalformed(pid: number, states: readonly RseqState[], policy: "refuse" | "keep"): void {
  const refused = states.filter((state) => state.class === "malformed" && (policy === "refuse" || !state.area))
  if (refused.length === 0) return
  throw new CheckpointError(
    "E_RSEQ_MALFORMED",
    `Cannot dump task ${pid}`,
    refused.map(({ tid, reason }) => `the restartable sequence of thread ${tid} is malformed: ${reason}`).join("; "),
    refused.every((state) => state.area)
      ? "The kernel would kill this thread: mend the program, or give --rseq-malformed=keep to save the state as it is"
      : "The kernel kills this thread as soon as it runs: mend the program",
  )
}
