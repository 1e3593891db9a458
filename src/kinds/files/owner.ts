import { F, F_OWNER, fOwnerEx, O } from "../../../ffi/abi/file.ts"
import { encode } from "../../../ffi/layout.ts"
import { errnoName, SyscallError } from "../../../ffi/syscall.ts"
import type { fown_entry } from "../../../proto/gen/fown_pb.ts"
import type { Program } from "../../tracee/program.ts"
import type { Insider, Reason } from "./collecting.ts"
import type { Self } from "./self.ts"
import type { Sight } from "./sight.ts"

/** The owner of files that have none. */
export const NO_OWNER: fown_entry = { uid: 0, euid: 0, signum: 0, pid_type: 0, pid: 0 }

/**
 * Owner and signal of an open file, as a look was told them. Man page: fcntl(2), "Managing signals".
 *
 * @param flags of the open file; one opened with O_PATH has no owner
 * @returns uid and euid are the owner's at the time of F_SETOWN   @throws SyscallError
 */
export function ownerFrom(sight: Pick<Sight, "number">, index: number, flags: number): fown_entry {
  if (flags & O.PATH) return { ...NO_OWNER }
  const told = (member: Parameters<Sight["number"]>[1]): number => sight.number(index, member)
  for (const answer of [told("signum"), told("owned"), told("askedUids")])
    if (answer < 0) throw new SyscallError("fcntl", errnoName(-answer), [])
  const [signum, pid] = [told("signum"), told("ownerPid")]
  if (pid === 0) return { ...NO_OWNER, signum }
  return { uid: told("uid") >>> 0, euid: told("euid") >>> 0, signum, pid_type: told("ownerType"), pid }
}

/** True when a process is what an owner names, or belongs to it. */
const IS_OWNER: Readonly<Record<number, (insider: Insider, id: number) => boolean>> = {
  [F_OWNER.TID]: ({ threads }, id) => threads.includes(id),
  [F_OWNER.PID]: ({ pid }, id) => pid === id,
  [F_OWNER.PGRP]: ({ group }, id) => group === id,
}

/** Why an owner cannot be kept: it must be a process, a thread or a process group of the dump. */
export function refuseOwner({ pid, pid_type }: fown_entry, insiders: readonly Insider[]): Reason | undefined {
  if (pid === 0 || insiders.some((insider) => IS_OWNER[pid_type]?.(insider, pid))) return undefined
  const kind = pid_type === F_OWNER.PGRP ? "process group" : "task"
  return {
    what: `a file that signals ${kind} ${pid}, which is not part of the dump`,
    remedy: "Let the program take the owner away (F_SETOWN to 0) before the dump",
  }
}

/**
 * Appends owner and signal of a descriptor. Mirror: ownerFrom.
 *
 * The kernel notes the IDs of who sets the owner and checks with them who may be signalled, so the program takes them on for this one call.
 * A change of euid resets "dumpable" and the parent-death signal (credentials(7)): both are to be restored after this.
 *
 * Precondition: the owner exists. Kernel: fs/fcntl.c f_setown_ex()
 */
export function restoreOwner(fd: number, { uid, euid, signum, pid_type, pid }: fown_entry, self: Self, program: Program): void {
  const about = `the owner of fd ${fd}`
  if (signum !== 0) program.callWith({ about }, "fcntl", fd, F.SETSIG, signum)
  if (pid === 0) return
  const disguised = uid !== self.uid || euid !== self.euid
  if (disguised) program.callWith({ about }, "setresuid", uid, euid, -1)
  program.callWith({ about }, "fcntl", fd, F.SETOWN_EX, program.bytes(encode(fOwnerEx, { type: pid_type, pid })))
  if (disguised) program.callWith({ about }, "setresuid", self.uid, self.euid, -1)
}
