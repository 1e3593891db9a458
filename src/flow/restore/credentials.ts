import { CAP } from "../../../ffi/abi/caps.ts"
import type { creds_entry } from "../../../proto/gen/creds_pb.ts"
import { CheckpointError } from "../../base/errors.ts"
import { logger } from "../../base/log.ts"
import { sealThread } from "../../kinds/attributes/restore.ts"
import { credsDifferences, type Origin } from "../../kinds/creds/origin.ts"
import { restoreCreds } from "../../kinds/creds/restore.ts"
import { restoreLimits } from "../../kinds/limits/restore.ts"
import { readOwnIds } from "../../proc/idmap.ts"
import { hasCapability } from "../../proc/rights.ts"
import { readStatus } from "../../proc/status.ts"
import { Program } from "../../tracee/program.ts"
import type { SavedProcess, SavedThread } from "../images.ts"
import type { RestoreContext } from "./restore-context.ts"

const log = logger("creds")

/** Program of each thread when all that needs privileges is done: takes them away. */
export function buildCreds({ tree, tc }: SavedProcess, { tid, core }: SavedThread, { limits, origin }: RestoreContext): Program {
  const program = new Program()
  if (tid === tree.pid && tc.rlimits) restoreLimits(tc.rlimits, program, limits)
  restoreCreds(withOwnGroups(credsOf(tid, core), origin), program, origin)
  sealThread(core, program)
  return program
}

/** Credentials of a thread. @throws CheckpointError E_IMAGE_VERSION of CRIU before 2.0 */
export function credsOf(tid: number, { creds }: SavedThread["core"]): creds_entry {
  if (creds) return creds
  throw new CheckpointError(
    "E_IMAGE_VERSION",
    `Cannot restore thread ${tid}`,
    "its core image has no credentials",
    "Dump again with a newer program",
  )
}

let toldGroups = false

/** Credentials with the groups of this tool, where it may give no others. */
function withOwnGroups(creds: creds_entry, { status: { groups } }: Origin): creds_entry {
  if (!differs(creds.groups, groups) || (hasCapability(CAP.SETGID) && readOwnIds().mayGroup)) return creds
  if (!toldGroups)
    log.warn(`the tree has the groups of whoever restores (${groups.join(" ") || "none"}), not ${creds.groups.join(" ") || "none"}`)
  toldGroups = true
  return { ...creds, groups: [...groups] }
}

const differs = (a: readonly number[], b: readonly number[]): boolean => a.join() !== b.join()

/** Compares what a thread has with what it had: some of the calls that set it report no failure. */
export function checkCreds(pid: number, { tid, core }: SavedThread, { origin }: RestoreContext): void {
  const differences = credsDifferences(withOwnGroups(credsOf(tid, core), origin), readStatus(pid, tid), origin.lastCap)
  if (differences.length > 0)
    throw new CheckpointError(
      "E_RESTORE",
      `Cannot restore the credentials of thread ${tid}`,
      differences.join("; "),
      "Restore as root with all capabilities",
    )
}
