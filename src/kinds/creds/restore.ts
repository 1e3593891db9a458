import { CAP, capData, capHeader, LINUX_CAPABILITY_VERSION_3, SECBIT_NO_SETUID_FIXUP } from "../../../ffi/abi/caps.ts"
import { PR, PR_CAP_AMBIENT } from "../../../ffi/abi/prctl.ts"
import { encode, encodeInto } from "../../../ffi/layout.ts"
import type { creds_entry } from "../../../proto/gen/creds_pb.ts"
import { CheckpointError, damagedImage } from "../../base/errors.ts"
import { logger } from "../../base/log.ts"
import { hex } from "../../base/units.ts"
import type { Program } from "../../tracee/program.ts"
import { capSet, capWords } from "./collect.ts"
import { knownCaps, type Origin } from "./origin.ts"

const log = logger("creds")

/**
 * Appends the credentials to a thread's own program; what the thread has already is not set again, so that a restore without
 * privilege works where nothing has to change. Mirror: ./collect.ts
 *
 * The order follows from what each step needs (kernel: security/commoncap.c):
 * 1. SECBIT_NO_SETUID_FIXUP, so that user IDs change without a change of capabilities; 2. groups, group IDs, user IDs, filesystem IDs;
 * 3. inheritable capabilities while the bounding set is whole, which limits them; 4. the bounding set, which needs CAP_SETPCAP;
 * 5. ambient capabilities, before secure bits that may forbid them; 6. secure bits, the last that needs CAP_SETPCAP;
 * 7. all three sets as they were; 8. no_new_privs.
 *
 * @throws CheckpointError E_IMAGE_UNSUPPORTED a security label · E_RESTORE, E_PERMISSION a capability is needed that `from` lacks
 *
 * Preconditions: last of all that needs privileges (limits, scheduling, timers); before dumpable and pdeath_sig, which the kernel
 * resets when IDs change. Afterwards compare with `credsDifferences`.
 */
export function restoreCreds(entry: creds_entry, program: Program, from: Origin): void {
  if (entry.lsm_profile !== undefined || entry.lsm_sockcreate !== undefined)
    throw new CheckpointError(
      "E_IMAGE_UNSUPPORTED",
      "Cannot restore credentials",
      `the task was confined by the security profile "${entry.lsm_profile ?? entry.lsm_sockcreate}"`,
      "Restore this image with CRIU on a host with the same security module",
    )
  const sets = savedSets(entry, from)
  const { inheritable, permitted, effective, bounding, ambient } = sets
  checkSets(sets, entry, from)

  const { capInheritable, capPermitted, capEffective, capBounding, noNewPrivs } = from.status
  const { secbits, changed: uidsChange } = restoreIds(entry, program, from)
  if (inheritable !== capInheritable || bounding !== capBounding || ambient !== 0n)
    setCaps(program, inheritable, capPermitted, capPermitted, "inheritable capabilities")
  restoreBounding(bounding, program, from)
  restoreAmbient(ambient, program, from)
  if (secbits !== entry.secbits)
    program.callWith({ about: `secure bits ${hex(entry.secbits)}` }, "prctl", PR.SET_SECUREBITS, entry.secbits, 0, 0, 0)
  if (uidsChange || inheritable !== capInheritable || permitted !== capPermitted || effective !== capEffective || ambient !== 0n)
    setCaps(program, inheritable, permitted, effective, "capabilities")
  if (entry.no_new_privs && !noNewPrivs) program.call("prctl", PR.SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}

/** The five capability sets of a thread, bits by capability. Man page: capabilities(7) */
interface CapabilitySets {
  readonly inheritable: bigint
  readonly permitted: bigint
  readonly effective: bigint
  readonly bounding: bigint
  readonly ambient: bigint
}

const savedSets = (entry: creds_entry, from: Origin): CapabilitySets => ({
  inheritable: known("inheritable", entry.cap_inh, from),
  permitted: known("permitted", entry.cap_prm, from),
  effective: known("effective", entry.cap_eff, from),
  bounding: known("bounding", entry.cap_bnd, from),
  ambient: known("ambient", entry.cap_amb, from),
})

/** Refuses sets that this tool may not give, or that nobody can have. @throws CheckpointError as `restoreCreds` */
function checkSets({ inheritable, permitted, effective, bounding, ambient }: CapabilitySets, entry: creds_entry, from: Origin): void {
  const { capInheritable, capPermitted, capBounding } = from.status
  const missing = permitted & ~capPermitted
  if (missing)
    throw new CheckpointError(
      "E_RESTORE",
      "Cannot restore credentials",
      `the task had capabilities ${hex(missing)} that this tool may not give`,
      "Restore as root, with the same capabilities as the task had",
    )
  const out = (bounding & ~capBounding) | (inheritable & ~(capInheritable | capBounding))
  if (out)
    throw new CheckpointError(
      "E_RESTORE",
      "Cannot restore credentials",
      `programs that the task executes could have capabilities ${hex(out)}, which this tool may not give (bounding set)`,
      "Restore as root, outside of a container that takes capabilities away",
    )
  if (effective & ~permitted || ambient & ~(permitted & inheritable))
    throw damagedImage("Cannot restore credentials", "the task had effective or ambient capabilities that it was not permitted")
  const forbidden = needsSetpcap(entry, { inheritable, bounding }, from)
  if (forbidden && !(capPermitted & (1n << BigInt(CAP.SETPCAP))))
    throw new CheckpointError(
      "E_PERMISSION",
      "Cannot restore credentials",
      `the task had ${forbidden}, and giving that needs CAP_SETPCAP`,
      "Restore as root, or with CAP_SETPCAP too",
    )
}

/** Appends the loss of what the bounding set lacks. */
function restoreBounding(bounding: bigint, program: Program, { status: { capBounding }, lastCap }: Origin): void {
  const dropped = capBounding & ~bounding
  if (dropped)
    for (let cap = 0; cap <= lastCap; cap++)
      if (dropped & (1n << BigInt(cap)))
        program.callWith({ about: `capability ${cap} of the bounding set` }, "prctl", PR.CAPBSET_DROP, cap, 0, 0, 0)
}

/** Appends the ambient set. */
function restoreAmbient(ambient: bigint, program: Program, { status: { capAmbient }, lastCap }: Origin): void {
  if (ambient === capAmbient) return
  program.call("prctl", PR.CAP_AMBIENT, PR_CAP_AMBIENT.CLEAR_ALL, 0, 0, 0)
  for (let cap = 0; cap <= lastCap; cap++)
    if (ambient & (1n << BigInt(cap)))
      program.callWith({ about: `ambient capability ${cap}` }, "prctl", PR.CAP_AMBIENT, PR_CAP_AMBIENT.RAISE, cap, 0, 0)
}

/** What of credentials only CAP_SETPCAP may set, in words; undefined when nothing is. Man page: capabilities(7) */
function needsSetpcap(
  { secbits, uid, euid, suid }: creds_entry,
  { inheritable, bounding }: { readonly inheritable: bigint; readonly bounding: bigint },
  { status, secbits: ours }: Origin,
): string | undefined {
  const dropped = status.capBounding & ~bounding
  if (dropped) return `a bounding set without capabilities ${hex(dropped)}, which this tool's has`
  if (secbits !== ours) return `secure bits ${hex(secbits)}, and this tool has ${hex(ours)}`
  // Step 1 of it sets a secure bit.
  const { real, effective, saved } = status.uid
  if (uid !== real || euid !== effective || suid !== saved) return "other user IDs than this tool"
  const more = inheritable & ~(status.capInheritable | status.capPermitted)
  return more ? `inheritable capabilities ${hex(more)}` : undefined
}

/** Step 1 and 2. @returns the secure bits in force afterwards, and whether any ID was set */
function restoreIds(entry: creds_entry, program: Program, { status, secbits }: Origin): { secbits: number; changed: boolean } {
  const { uid, gid } = status
  const groups = entry.groups.join(" ") !== status.groups.join(" ")
  const gids = entry.gid !== gid.real || entry.egid !== gid.effective || entry.sgid !== gid.saved
  const uids = entry.uid !== uid.real || entry.euid !== uid.effective || entry.suid !== uid.saved
  // The filesystem IDs follow the effective ones whenever those are set.
  const fsgid = entry.fsgid !== (gids ? entry.egid : gid.filesystem)
  const fsuid = entry.fsuid !== (uids ? entry.euid : uid.filesystem)
  const during = uids || fsuid ? secbits | SECBIT_NO_SETUID_FIXUP : secbits
  if (during !== secbits)
    program.callWith({ about: "keeping capabilities while user IDs change" }, "prctl", PR.SET_SECUREBITS, during, 0, 0, 0)
  if (groups) {
    const list = new Uint8Array(new Uint32Array(entry.groups).buffer)
    program.callWith({ about: `${entry.groups.length} groups` }, "setgroups", entry.groups.length, list.length ? program.bytes(list) : 0)
  }
  if (gids)
    program.callWith({ about: `group IDs ${entry.gid} ${entry.egid} ${entry.sgid}` }, "setresgid", entry.gid, entry.egid, entry.sgid)
  if (uids) program.callWith({ about: `user IDs ${entry.uid} ${entry.euid} ${entry.suid}` }, "setresuid", entry.uid, entry.euid, entry.suid)
  // These answer the ID from before, never an error.
  if (fsgid) program.call("setfsgid", entry.fsgid)
  if (fsuid) program.call("setfsuid", entry.fsuid)
  return { secbits: during, changed: uids || fsuid }
}

function setCaps(program: Program, inheritable: bigint, permitted: bigint, effective: bigint, about: string): void {
  const head = program.bytes(encode(capHeader, { version: LINUX_CAPABILITY_VERSION_3 }))
  const data = new Uint8Array(2 * capData.size)
  const [inh, prm, eff] = [capWords(inheritable), capWords(permitted), capWords(effective)]
  for (const half of [0, 1] as const)
    encodeInto(capData, data, { effective: eff[half], permitted: prm[half], inheritable: inh[half] }, half * capData.size)
  program.callWith({ about }, "capset", head, program.bytes(data))
}

/** A set of the image without what this kernel does not know. */
function known(name: string, words: readonly number[], { lastCap }: Origin): bigint {
  const set = capSet(words)
  const unknown = set & ~knownCaps(lastCap)
  if (unknown) log.warn(`${name} capabilities ${hex(unknown)} do not exist on this kernel and are dropped`)
  return set & ~unknown
}
