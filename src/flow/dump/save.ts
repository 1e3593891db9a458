import { logger } from "../../base/log.ts"
import type { ImageTransaction } from "../../image/transaction.ts"
import type { FrozenCgroup } from "../../kinds/cgroup/freezer.ts"
import { isInMemory } from "../../kinds/files/ghost/collect.ts"
import { type MadeLinks, makeLinks } from "../../kinds/files/ghost/links.ts"
import { imagePatches } from "../../rseq/fixup.ts"
import type { RseqState } from "../../rseq/state.ts"
import type { FrozenTree } from "../../tracee/freeze.ts"
import type { Loan } from "../../tracee/loan.ts"
import { withAioRingsAtRest } from "../aio-rings.ts"
import { saveCgroups } from "../cgroups.ts"
import type { DumpedConnections } from "../connections.ts"
import type { DumpOptions } from "../options.ts"
import { askFrozenTree, type FramedRequest, readSessionKeyrings } from "./ask.ts"
import { withoutFrames } from "./frame-pages.ts"
import type { CollectedMemory } from "./memory.ts"
import type { PagesFiles } from "./pages-files.ts"
import { lostSemUndo } from "./sem-undo.ts"
import { collectState, type TreeState, writeMetadata } from "./state.ts"
import { type StoredPages, savePages, saveSegment } from "./store-pages.ts"
import type { Survey } from "./survey.ts"
import type { Witnesses } from "./witness.ts"

const log = logger("dump")

/** What is left to do when the tree may go on again: writing what was read. */
export interface Saved {
  /** Pages stored. */
  readonly pages: number
  /** Time that copying memory took, ms. */
  readonly copying: number
  /** Names that files got for the time until they are restored. */
  readonly links: MadeLinks
  /** Writes every image but the pages themselves. */
  writeMetadata(images: ImageTransaction): void
}

/** What is needed to read a frozen tree, beside the tree: made before the first question, disposed of after the reading. */
export interface Provisions {
  readonly witnesses: Witnesses
  /** The cgroup that was frozen to catch the tree. */
  readonly cgroup: FrozenCgroup | undefined
  readonly connections: DumpedConnections
}

/** All of a frozen tree but its pages. */
interface TreeReading {
  readonly state: TreeState
  /** What was asked of each process, in the order of `state.processes`; so are the loans and the rseq states. */
  readonly requests: readonly FramedRequest[]
  readonly loans: readonly Loan[]
  readonly rseq: readonly (readonly RseqState[])[]
}

/** Reads everything of every process but its memory. As `askFrozenTree`. */
export function readFrozenTree<T>(
  frozen: Pick<FrozenTree, "processes" | "members">,
  before: Survey,
  { witnesses, cgroup, connections }: Provisions,
  options: DumpOptions,
  use: (reading: TreeReading) => T,
): T {
  return askFrozenTree(frozen, before, witnesses, options, ({ sources, members, objects, filters, requests, loans }) => {
    const cgroups = saveCgroups(frozen.processes, before.cgroups, cgroup, options)
    const state = collectState(sources, members, { ...options, stopped: true }, { ...connections, cgroups, filters }, objects)
    return use({ state, requests, loans, rseq: sources.map(({ threads }) => threads.map(({ rseq }) => rseq)) })
  })
}

/** The frozen part of a dump: reads the tree, and copies its memory into the pages files. As `readFrozenTree`. */
export const saveTree = (frozen: FrozenTree, before: Survey, provisions: Provisions & Stores, options: DumpOptions): Saved =>
  readFrozenTree(frozen, before, provisions, options, (reading) => save(reading, provisions, options))

/** Where goes what must be copied while the tree stands still. */
interface Stores {
  readonly pagesFiles: PagesFiles
  readonly images: Pick<ImageTransaction, "stream">
}

/** Memory of a tree: of its processes, and shared. */
interface TreeMemory {
  readonly processes: readonly { readonly pid: number; readonly memory: CollectedMemory }[]
  readonly memfds: TreeState["memfds"]
  readonly sysv: TreeState["sysv"]
}

/**
 * Copies the memory of a tree into its pages files.
 *
 * @param requests, rseq of each process, in their order
 * @returns of each process and segment how many pages, and its pagemap   @throws as `savePages` · CheckpointError E_TARGET_CHANGED
 */
export function storeMemory(
  { processes, memfds, sysv }: TreeMemory,
  { requests, rseq }: Pick<TreeReading, "requests" | "rseq">,
  pagesFiles: Pick<PagesFiles, "take" | "next">,
): StoredPages[] {
  return withAioRingsAtRest(processes, () => [
    ...processes.map(({ pid, memory: { ranges, common } }, i) => {
      const own = withoutFrames(requests[i]?.frames ?? [], ranges)
      return savePages(pid, pagesFiles.take(pid), { ranges: own, common }, imagePatches(rseq[i] ?? []))
    }),
    ...memfds.map((memory) => saveSegment(memory.inode.shmid, memory, pagesFiles)),
    ...sysv.map((segment) => saveSegment(segment.entry.desc.id, segment, pagesFiles)),
  ])
}

function save({ state, requests, loans, rseq }: TreeReading, { pagesFiles, images }: Stores, options: DumpOptions): Saved {
  for (const loss of [
    ...state.descriptors.losses,
    ...lostSemUndo(state.processes.map(({ pid }) => pid)),
    ...(state.treeWide.connections?.lost() ?? []),
  ])
    log.warn(`not kept: ${loss}`)
  using undo = new DisposableStack()
  const links = undo.use(makeLinks(state.table.links))
  for (const [number, parts] of state.table.ghosts.files) if (!isInMemory(parts)) images.stream("ghost-file", number, parts)
  const copyingSince = performance.now()
  const stored = storeMemory(state, { requests, rseq }, pagesFiles)
  pagesFiles.dropUnused()
  // Last of all, and only when nothing that it changes can matter any more.
  if (!options.leaveRunning && !options.leaveStopped)
    for (const [index, keyring] of readSessionKeyrings(state.processes, loans).entries()) {
      const process = state.processes[index]
      if (process && keyring !== undefined) process.extension.session_keyring = keyring
    }
  undo.move()
  return {
    links,
    pages: stored.reduce((sum, { pages }) => sum + pages, 0),
    copying: performance.now() - copyingSince,
    writeMetadata: (images) => writeMetadata(images, state, stored),
  }
}
