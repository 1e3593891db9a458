import { PR } from "../../../ffi/abi/prctl.ts"
import { attempt, isFailure, syscall } from "../../../ffi/syscall.ts"
import type { creds_entry } from "../../../proto/gen/creds_pb.ts"
import { readStatus, type Status } from "../../proc/status.ts"
import { capSet } from "./collect.ts"

/** What a thread that is being restored starts from: the credentials it has inherited. */
export interface Origin {
  readonly status: Status
  /** prctl(PR_GET_SECUREBITS). */
  readonly secbits: number
  /** Highest capability that this kernel knows. */
  readonly lastCap: number
}

/**
 * The credentials of a task made by this tool.
 *
 * @param pid the seed, in which nothing ran yet that changes credentials; its secure bits are ours, for exec keeps them
 * @throws CheckpointError E_NO_PROCESS
 */
export function readOrigin(pid: number): Origin {
  let lastCap = -1
  while (lastCap < 63 && !isFailure(attempt("prctl", PR.CAPBSET_READ, lastCap + 1, 0, 0, 0))) lastCap++
  return { status: readStatus(pid), secbits: syscall("prctl", PR.GET_SECUREBITS, 0, 0, 0, 0), lastCap }
}

/** Capabilities that a kernel with this highest one knows, as a set. */
export const knownCaps = (lastCap: number): bigint => (1n << BigInt(lastCap + 1)) - 1n

/**
 * What a restored thread has otherwise than its entry says, one line each; none when all is right. For the check after
 * `restoreCreds`: setfsuid(2) reports no failure, and what this kernel does not know cannot be given.
 *
 * @param status of the restored thread
 */
export function credsDifferences(entry: creds_entry, status: Status, lastCap: number): string[] {
  const known = knownCaps(lastCap)
  const rows: readonly (readonly [string, bigint | number | string, bigint | number | string])[] = [
    ["user IDs", ids(entry.uid, entry.euid, entry.suid, entry.fsuid), ids(...Object.values(status.uid))],
    ["group IDs", ids(entry.gid, entry.egid, entry.sgid, entry.fsgid), ids(...Object.values(status.gid))],
    ["groups", ids(...entry.groups), ids(...status.groups)],
    ["inheritable capabilities", capSet(entry.cap_inh) & known, status.capInheritable],
    ["permitted capabilities", capSet(entry.cap_prm) & known, status.capPermitted],
    ["effective capabilities", capSet(entry.cap_eff) & known, status.capEffective],
    ["bounding capabilities", capSet(entry.cap_bnd) & known, status.capBounding],
    ["ambient capabilities", capSet(entry.cap_amb) & known, status.capAmbient],
    ["no_new_privs", entry.no_new_privs ?? 0, status.noNewPrivs ? 1 : 0],
  ]
  return rows.filter(([, want, have]) => want !== have).map(([name, want, have]) => `${name} are ${shown(have)}, not ${shown(want)}`)
}

const ids = (...values: readonly number[]): string => values.join(" ")
const shown = (value: bigint | number | string): string => (typeof value === "bigint" ? `0x${value.toString(16)}` : `${value || "none"}`)
