import { type Refusal, refusedTarget } from "../../base/errors.ts"
import { resurveyAttributes } from "../../kinds/attributes/survey.ts"
import { lowerFiles } from "../../kinds/files/lower.ts"
import { mayFollowMapped, refusedMapping } from "../../kinds/files/mapped.ts"
import { refusedThreads } from "../../kinds/files/survey.ts"
import { surveyRights } from "../../kinds/memory/protection-keys.x86_64.ts"
import { surveyMemory } from "../../kinds/memory/survey.ts"
import { surveyWindows } from "../../kinds/memory/windows.ts"
import { surveyRegisters } from "../../kinds/registers/survey.x86_64.ts"
import { expectedNamespaces, surveyNamespaces, surveyTree, type TreePlace } from "../../kinds/tree/survey.ts"
import { ownNamespaces, readNamespace, readNamespaces } from "../../proc/links.ts"
import type { MappingDetail } from "../../proc/smaps.ts"
import type { Status } from "../../proc/status.ts"
import type { FrozenThread } from "../../tracee/frozen.ts"
import { surveyProcessCgroups } from "../cgroups.ts"
import { lives, type Survey, type SurveyOptions, surveyThreads } from "./survey.ts"

/** One process of the tree as the freeze shows it. */
export interface Stopped {
  readonly pid: number
  readonly statuses: readonly Status[]
  readonly mappings: readonly MappingDetail[]
  readonly threads: readonly Pick<FrozenThread, "tid" | "registers" | "xstate">[]
}

const idOf = ({ pid }: Status): number => pid

/** What is looked at before the freeze alone, of a process that was born since. */
const resurveyNew = (pid: number, tids: readonly number[], before: Survey, options: SurveyOptions): Refusal[] => [
  ...surveyThreads(pid, tids),
  ...surveyProcessCgroups(pid, tids, before.cgroups, options),
]

/**
 * Looks again, in the freeze, at what the tree may have done since `survey`: processes that were born, sessions, namespaces, areas,
 * threads. Descriptors and working directories are judged where they are saved.
 *
 * @param places of all members, the root first
 * @throws CheckpointError E_UNSUPPORTED with every refusal. Precondition: all of the tree is stopped, and nothing of ours is in it.
 */
export function resurvey(places: readonly TreePlace[], stopped: readonly Stopped[], before: Survey, options: SurveyOptions): void {
  const expected = expectedNamespaces(ownNamespaces(), readNamespace(options.pid, "time"))
  const refusals = [
    ...surveyTree(places, options.shellJob, lives),
    ...stopped.flatMap(({ pid, statuses, mappings, threads }): Refusal[] => [
      ...surveyNamespaces(pid, options.pid, expected, readNamespaces(pid)),
      ...surveyMemory(pid, mappings, (mapping) => refusedMapping(pid, mapping, options), lowerFiles),
      ...(mayFollowMapped() ? [] : surveyWindows(pid, mappings)),
      ...resurveyAttributes(pid, statuses),
      ...threads.flatMap((thread) => [...surveyRegisters(pid, thread), ...surveyRights(pid, thread)]),
      ...refusedThreads(pid, statuses.map(idOf)),
      ...(before.processes.has(pid) ? [] : resurveyNew(pid, statuses.map(idOf), before, options)),
    ]),
  ]
  if (refusals.length > 0) throw refusedTarget(options.pid, refusals)
}
