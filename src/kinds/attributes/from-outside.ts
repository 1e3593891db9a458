import { writeFileSync } from "../../../ffi/fs.ts"
import type { task_core_entry } from "../../../proto/gen/core_pb.ts"
import type { stasis_task_entry } from "../../../proto/gen/stasis_pb.ts"
import { logger } from "../../base/log.ts"
import { readCoredumpFilterIfAlive, readOomScoreAdj } from "../../proc/attributes.ts"
import { procPath } from "../../proc/source.ts"
import { checkLoginUid } from "./login-uid.ts"

const log = logger("attributes")

/** The parts of the images that are written to /proc files of the process. */
interface OutsideAttributes {
  readonly entry: Pick<task_core_entry, "oom_score_adj" | "loginuid">
  readonly extension: Pick<stasis_task_entry, "coredump_filter" | "autogroup_nice"> | undefined
}

/**
 * Writes what only another task's hand, or a file, can set: oom_score_adj, coredump_filter, the autogroup's nice value. What is right
 * already is left; the login user ID is looked at, which the process has written.
 *
 * As in CRIU a login user ID that cannot be set is an error and the rest a warning.
 *
 * @throws CheckpointError E_RESTORE the login user ID · E_NO_PROCESS
 * Precondition: the leader exists, leads its session and its credentials are not yet lowered. Mirror: ./collect.ts
 */
export function applyFromOutside(pid: number, { entry, extension }: OutsideAttributes): void {
  const { oom_score_adj, loginuid } = entry
  if (oom_score_adj !== undefined && oom_score_adj !== readOomScoreAdj(pid)) tryWrite(pid, "oom_score_adj", `${oom_score_adj}`)
  const filter = extension?.coredump_filter
  if (filter !== undefined && filter !== readCoredumpFilterIfAlive(pid)) tryWrite(pid, "coredump_filter", `0x${filter.toString(16)}`)
  if (extension?.autogroup_nice) tryWrite(pid, "autogroup", `${extension.autogroup_nice}`)
  const other = checkLoginUid(pid, loginuid)
  if (other !== undefined) log.warn(`loginuid of task ${pid} is ${other}, and was not set`)
}

function tryWrite(pid: number, name: string, value: string): void {
  try {
    writeFileSync(procPath(pid, undefined, name), value)
  } catch (error) {
    log.warn(`${name} of task ${pid} stays as it is, not ${value}: ${error instanceof Error ? error.message : error}`)
  }
}
