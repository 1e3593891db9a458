import { PR } from "../../../ffi/abi/prctl.ts"
import { type creds_entry, creds_entrySchema } from "../../../proto/gen/creds_pb.ts"
import { create } from "../../../proto/schema.ts"
import type { Status } from "../../proc/status.ts"
import type { Answers, Program, Result } from "../../tracee/program.ts"

/** Appends prctl(PR_GET_SECUREBITS), the one credential that /proc does not show, to a thread's own program. */
export const askCreds = (program: Program): Result => program.call("prctl", PR.GET_SECUREBITS, 0, 0, 0, 0)

/**
 * Credentials of one thread. Mirror: ./restore.ts
 *
 * @param status of the thread (not only of the leader), read in the same stop; IDs are those of the reader's user namespace
 *
 * Not looked at: the label of a security module, see `surveyAttributes`, and keyrings.
 */
export function collectCreds(status: Status, answers: Answers, question: Result): creds_entry {
  const { credentials } = status
  const secbits = Number(answers.of(question))
  if (last?.credentials !== credentials || last.entry.secbits !== secbits) last = { credentials, entry: entryOf(status, secbits) }
  return last.entry
}

/** Of the thread before: most threads have the same. Frozen, so that it is encoded once. */
let last: { readonly credentials: string; readonly entry: creds_entry } | undefined

function entryOf(status: Status, secbits: number): creds_entry {
  const { uid, gid } = status
  const entry = create(creds_entrySchema, {
    uid: uid.real,
    gid: gid.real,
    euid: uid.effective,
    egid: gid.effective,
    suid: uid.saved,
    sgid: gid.saved,
    fsuid: uid.filesystem,
    fsgid: gid.filesystem,
    cap_inh: capWords(status.capInheritable),
    cap_prm: capWords(status.capPermitted),
    cap_eff: capWords(status.capEffective),
    cap_bnd: capWords(status.capBounding),
    cap_amb: capWords(status.capAmbient),
    secbits,
    groups: [...status.groups],
    ...(status.noNewPrivs ? { no_new_privs: 1 } : {}),
  })
  return Object.freeze(entry)
}

/** A capability set as the image holds it: two 32-bit words, low first. */
export const capWords = (set: bigint): [low: number, high: number] => [Number(set & 0xffffffffn), Number(set >> 32n)]

/** The set that words of an image stand for; missing words are 0. */
export const capSet = ([low = 0, high = 0]: readonly number[]): bigint => (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)
