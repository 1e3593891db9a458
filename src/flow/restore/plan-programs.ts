import { seed } from "../../../ffi/stub/gen/x86_64.ts"
import { type CheckpointError, complaintsOf } from "../../base/errors.ts"
import type { ImageSet } from "../../image/set.ts"
import type { GivenFd } from "../../kinds/files/external.ts"
import { wantedNumbers } from "../../kinds/files/images.ts"
import type { FileChanged } from "../../kinds/files/keeping.ts"
import { specialMappings } from "../../kinds/memory/vdso.ts"
import type { BirthPlan } from "../../kinds/tree/plan.ts"
import { readOwnMaps } from "../../proc/maps.ts"
import type { SavedTree } from "../images.ts"
import { gatherInputs, prepareTree, readSeedFacts, type SeedFacts, type Services } from "./build-inputs.ts"
import { reserveDeparted } from "./departed.ts"
import { ServiceDescriptors } from "./descriptors.ts"
import { tellOwnFilters } from "./filter-jobs.ts"
import { reserveGhosts } from "./ghosts.ts"
import { shareGiven } from "./given.ts"
import { openPagesSource } from "./pages-source.ts"
import { tellConnections } from "./restored-connections.ts"
import { inOrder, layStages } from "./stages.ts"
import { reserveTerminals } from "./terminals.ts"

/** What one task runs in one stage. */
interface PlannedProgram {
  readonly pid: number
  readonly tid: number
  /** System calls in strace's notation. */
  readonly calls: readonly string[]
}

/** Programs that run at the same time. */
interface PlannedStage {
  readonly title: string
  readonly programs: readonly PlannedProgram[]
}

/** A restore as the programs that it would run. */
export interface PlannedPrograms {
  readonly stages: readonly PlannedStage[]
  readonly complaints: readonly CheckpointError[]
}

const SEED_PAGES = 0x1000n

/**
 * Facts of stasis itself in place of those of the first process, which does not exist. It would inherit the same credentials and limits;
 * where the kernel puts its vdso and stack is chosen by chance each time.
 */
function standInFacts(): SeedFacts {
  const { mappings, ...inherited } = readSeedFacts(process.pid)
  const stack = mappings.filter(({ path }) => path === "[stack]")
  const start = BigInt(seed.base)
  const text = stack.map((mapping) => ({ ...mapping, start, end: start + SEED_PAGES, path: "" }))
  return { ...inherited, mappings: [...text, ...stack, ...specialMappings(readOwnMaps("[v"))] }
}

/** Numbers for descriptors, none of which is made. */
const numbersOnly = (services: ServiceDescriptors): Services => ({
  share: () => services.reserve(),
  reserve: () => services.reserve(),
  get numbers() {
    return services.numbers
  },
})

/**
 * Builds the programs of a restore as the restore itself does, with `standInFacts`, and runs none.
 *
 * @param jobGroup group of a shell's job
 * @param terminal whether there is a terminal to be taken over, or its absence has been complained of
 * Precondition: the images are complete and fit together.
 */
export function planPrograms({
  set,
  saved,
  birthPlan,
  strict,
  fileChanged,
  terminal,
  jobGroup,
  given,
}: {
  readonly set: ImageSet
  readonly saved: SavedTree
  readonly birthPlan: BirthPlan
  readonly strict: boolean
  readonly fileChanged: FileChanged
  readonly terminal: boolean
  readonly jobGroup: number | undefined
  readonly given: ReadonlyMap<number, GivenFd>
}): PlannedPrograms {
  const stages: PlannedStage[] = []
  const complaints: CheckpointError[] = []
  const attempt = (step: () => void): void => void complaints.push(...complaintsOf([step]))
  attempt(() => {
    using descriptors = new ServiceDescriptors(saved.processes.flatMap(({ files }) => wantedNumbers(files)))
    const services = numbersOnly(descriptors)
    const source = openPagesSource(services)
    const terminals = reserveTerminals(saved.root.files, terminal, services)
    const ghosts = reserveGhosts(saved.root.files, services)
    const prepared = prepareTree(set, saved, birthPlan, {
      services,
      source,
      areaFd: services.reserve(),
      terminals,
      ghosts,
      departed: reserveDeparted(saved.root.files, services),
      given: shareGiven(saved, given, services),
    })
    const inputs = gatherInputs(saved, prepared, standInFacts(), { strict, jobGroup, fileChanged })
    // What building warns of is said as it is built; a restore says this when it comes to it.
    tellConnections(set, saved)
    tellOwnFilters()
    inputs.context.clocks.tellJump()
    for (const { title, drafts } of inOrder(layStages(inputs))) {
      const programs: PlannedProgram[] = []
      for (const { pid, tid, build } of drafts) attempt(() => programs.push({ pid, tid, calls: build().describe() }))
      if (drafts.length > 0) stages.push({ title, programs })
    }
  })
  return { stages, complaints }
}
