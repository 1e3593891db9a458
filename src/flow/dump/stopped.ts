import { refusedTarget } from "../../base/errors.ts"
import { logger } from "../../base/log.ts"
import { isLandlocked, refuseLandlock } from "../../kinds/attributes/landlock.ts"
import { surveyStopped, surveyStoppedProcess } from "../../kinds/attributes/survey.ts"
import { refuseKeyrings } from "../../kinds/creds/keyrings.ts"
import { refuseAioRings } from "../../kinds/memory/aio/collect.ts"
import type { Answers } from "../../tracee/program.ts"
import type { Landlock } from "../options.ts"
import type { Questions } from "./question.ts"

const log = logger("dump")

/** Refuses what only a stopped thread shows. @throws CheckpointError E_UNSUPPORTED */
export function refuseStopped(pid: number, questions: Questions, answers: ReadonlyMap<number, Answers>, landlock: Landlock): void {
  const refusals = [...questions.threads].flatMap(([tid, { attributes, landlock: question, keyrings }]) => {
    const own = answers.get(tid)
    if (!own) return []
    const locked = isLandlocked(own, question)
    if (locked && landlock === "drop") log.warn(`thread ${tid} is in a Landlock domain, which is dropped: it may do more after a restore`)
    const domain = locked && landlock === "refuse" ? [refuseLandlock(`thread ${tid} of task ${pid}`)] : []
    return [...surveyStopped(pid, tid, own, attributes), ...domain, ...refuseKeyrings(`thread ${tid} of task ${pid}`, own, keyrings)]
  })
  const leader = answers.get(pid)
  if (leader)
    refusals.push(
      ...surveyStoppedProcess(pid, leader, questions.process.attributes),
      ...refuseAioRings(pid, leader, questions.process.aioRings),
    )
  if (refusals.length > 0) throw refusedTarget(pid, refusals)
}
