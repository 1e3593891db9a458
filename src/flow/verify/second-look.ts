import { attempt } from "../../../ffi/syscall.ts"
import type { file_entry } from "../../../proto/gen/fdinfo_pb.ts"
import type { EntryKind, EntryOf } from "../../image/catalog.ts"
import { Aliases } from "../../image/compare.ts"
import { fileName, type ImageId } from "../../image/name.ts"
import { decodeImage } from "../../image/read.ts"
import type { Entries, ImageSet } from "../../image/set.ts"
import type { ImageTransaction } from "../../image/transaction.ts"
import { encodeImage, type Framed } from "../../image/write.ts"
import { withoutConnection } from "../../kinds/files/socket/inet/closed.ts"
import type { Owner } from "../../kinds/files/socket/inet/stream.ts"
import type { FrozenTree, TreeMember } from "../../tracee/freeze.ts"
import { type FrozenProcess, putBack, readThread } from "../../tracee/frozen.ts"
import { haltAll } from "../../tracee/halt.ts"
import { openDumpConnections } from "../connections.ts"
import { type Provisions, readFrozenTree } from "../dump/save.ts"
import { writeMetadata } from "../dump/state.ts"
import type { Survey } from "../dump/survey.ts"
import { type SavedProcess, type SavedTree, stopSignalOf } from "../images.ts"
import type { DumpOptions } from "../options.ts"
import { bpfMapDifferences, pipeDifferences, sharedMemoryDifferences } from "./contents.ts"
import { treeDifferences } from "./differences.ts"
import { memoryDifferences } from "./memory.ts"
import { shmDifferences } from "./shm.ts"

const processNow = (saved: SavedProcess, traceOptions: number): FrozenProcess => ({
  pid: saved.tree.pid,
  threads: saved.threads.map(({ tid }) => readThread(tid)),
  frozenAt: performance.now(),
  stopSignal: stopSignalOf(saved),
  traceOptions,
  heldSignals: [],
  ending: "run",
  [Symbol.dispose]() {
    haltAll(this)
    for (const thread of this.threads) putBack(this.pid, thread)
    for (const signal of this.heldSignals.splice(0)) attempt("kill", this.pid, signal)
  },
})

/** The tree as a dump that has just frozen it would see it. Members in the order of pstree.img. */
function treeNow(set: ImageSet, saved: SavedTree, traceOptions: number): Pick<FrozenTree, "processes" | "members"> {
  const living = new Map(saved.processes.map((one) => [one.tree.pid, processNow(one, traceOptions)]))
  const members = set.all("pstree").map(({ pid, ppid }): TreeMember => {
    const frozen = living.get(pid)
    return frozen ? { ppid, frozen } : { ppid, dead: { pid, ppid } }
  })
  return { processes: [...living.values()], members }
}

/** Takes what a dump writes, as a reader of its images would find it. */
function openRecord(): { images: Pick<ImageTransaction, "write">; entries: Entries } {
  const written = new Map<string, object[]>()
  return {
    images: {
      write<K extends EntryKind>(kind: K, id: ImageId, entries: readonly (EntryOf<K> | Framed<K>)[]): void {
        const name = fileName(kind, id)
        written.set(
          name,
          decodeImage(kind, name, encodeImage(kind, entries)).map(({ message }) => message),
        )
      },
    },
    entries: <K extends EntryKind>(kind: K, id: ImageId) => (written.get(fileName(kind, id)) ?? []) as EntryOf<K>[],
  }
}

/** Both readings without the descriptors of what was given. */
function withoutGiven(
  before: Entries,
  now: Entries,
  compared: readonly { readonly tables: readonly [saved: number, now: number] }[],
  given: SecondLook["given"],
): [Entries, Entries] {
  if (!given || given.size === 0) return [before, now]
  const numbers = new Map(
    compared.map(({ tables: [was, is] }) => [is, new Set(before("fdinfo", was).flatMap(({ id, fd }) => (given.has(id) ? [fd] : [])))]),
  )
  const isKept = (kind: EntryKind, id: ImageId, entry: object, isNow: boolean): boolean => {
    if (kind !== "fdinfo") return true
    const info = entry as EntryOf<"fdinfo">
    return isNow ? !numbers.get(Number(id))?.has(info.fd) : !given.has(info.id)
  }
  return [
    (kind, id) => before(kind, id).filter((entry) => isKept(kind, id, entry, false)),
    (kind, id) => now(kind, id).filter((entry) => isKept(kind, id, entry, true)),
  ]
}

/** How a tree is looked at again. */
interface SecondLook {
  /** Options of a dump that refuses nothing that the tree may rightly have. */
  readonly dump: DumpOptions
  readonly survey: Survey
  readonly provisions: Omit<Provisions, "connections">
  /** Whether the tree was there before us, or was just restored. */
  readonly owner: Owner
  /** PTRACE_O_ bits by which its threads are traced. */
  readonly traceOptions: number
  /** Its sessions and groups are those of the shell of whoever restored it. */
  readonly shellJob: boolean
  /** Open files that are not compared, by their ids in the images. */
  readonly given?: ReadonlyMap<number, unknown>
}

/**
 * Reads a stopped tree by the very way of a dump, and compares it with a set of images: places in the tree, threads with their seccomp
 * filters, areas, descriptors, open files, what is queued in pipes, which processes share what, and every stored byte of memory, private
 * and shared.
 *
 * Not compared: the auxiliary vector, cgroups, the bytes of deleted files, time left of timers and sleeps.
 *
 * Precondition: every thread is stopped by us and nothing of ours is in the tree. Afterwards it is so again, whatever happens.
 *
 * @returns one text a difference   @throws CheckpointError as `readFrozenTree` · SyscallError
 */
export function findDifferences(
  set: ImageSet,
  saved: SavedTree,
  { dump, survey, provisions, owner, traceOptions, shellJob, given }: SecondLook,
): string[] {
  const aliases = new Aliases()
  const { images, entries } = openRecord()
  // As a restore with --tcp-close reads them, or one on another kernel.
  const asRestored = <K extends EntryKind>(kind: K, id: ImageId, entry: EntryOf<K>): EntryOf<K> => {
    if (kind === "mm") return (saved.processes.find(({ tree }) => tree.pid === id)?.mm ?? entry) as EntryOf<K>
    return dump.tcpClose && kind === "files" ? (withoutConnection(entry as file_entry) as EntryOf<K>) : entry
  }
  const before: Entries = (kind, id) => set.optional(kind, id).map((entry) => asRestored(kind, id, entry))
  const frozen = treeNow(set, saved, traceOptions)
  using held = new DisposableStack()
  using connections = openDumpConnections(dump, owner)
  for (const process of frozen.processes) held.use(process)
  // First: what is asked of a process leaves its traces below its stack pointers.
  const memory = memoryDifferences(set, saved)
  return readFrozenTree(frozen, survey, { ...provisions, connections }, dump, ({ state }) => {
    writeMetadata(images, state, [])
    const compared = saved.processes.map(({ tree, ids, threads }) => ({
      pid: tree.pid,
      threads: threads.map(({ tid }) => tid),
      sleepers: new Set(threads.flatMap(({ tid, extension }) => (extension?.restart?.remaining_sec === undefined ? [] : [tid]))),
      tables: [ids.files_id, state.objects.get(tree.pid)?.files_id ?? 0] as const,
    }))
    const scope = {
      processes: compared,
      dead: saved.dead.map(({ tree }) => tree.pid),
      shellJob,
      complete: saved.root.extension !== undefined,
      aliases,
    }
    return [
      ...treeDifferences(...withoutGiven(before, entries, compared, given), scope),
      ...pipeDifferences(saved.root.files.pipesData, state.descriptors.pipesData, aliases),
      ...bpfMapDifferences(saved.root.files.bpfMapsData, state.descriptors.bpfMapsData, aliases),
      ...sharedMemoryDifferences(set, saved, state.memfds, aliases),
      ...shmDifferences(set, saved, state.sysv, { rules: {}, aliases, complete: scope.complete }),
      ...memory,
    ]
  })
}

/** Differences that an error names; the log has all. */
const NAMED = 5

/** The first differences as the text of an error. */
export const nameDifferences = (differences: readonly string[]): string => {
  const more = differences.length > NAMED ? `; and ${differences.length - NAMED} more, see the log` : ""
  return `${differences.slice(0, NAMED).join("; ")}${more}`
}
