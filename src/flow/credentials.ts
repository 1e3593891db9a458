import type { creds_entry } from "../../proto/gen/creds_pb.ts"
import { CheckpointError } from "../base/errors.ts"
import { sealThread } from "../kinds/attributes/restore.ts"
import { credsDifferences } from "../kinds/creds/origin.ts"
import { restoreCreds } from "../kinds/creds/restore.ts"
import { restoreLimits } from "../kinds/limits/restore.ts"
import { readStatus } from "../proc/status.ts"
import { Program } from "../tracee/program.ts"
import type { Ground } from "./ground.ts"
import type { SavedProcess, SavedThread } from "./images.ts"

/** Fourth program of each thread: what takes privileges away. */
export function buildCreds({ tree, tc }: SavedProcess, { tid, core }: SavedThread, { limits, origin }: Ground): Program {
  const program = new Program()
  if (tid === tree.pid && tc.rlimits) restoreLimits(tc.rlimits, program, limits)
  restoreCreds(credsOf(tid, core), program, origin)
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

/** Compares what a thread has with what it had: some of the calls that set it report no failure. */
export function checkCreds(pid: number, { tid, core }: SavedThread, { origin }: Ground): void {
  const differences = credsDifferences(credsOf(tid, core), readStatus(pid, tid), origin.lastCap)
  if (differences.length > 0)
    throw new CheckpointError(
      "E_RESTORE",
      `Cannot restore the credentials of thread ${tid}`,
      differences.join("; "),
      "Restore as root with all capabilities",
    )
}
