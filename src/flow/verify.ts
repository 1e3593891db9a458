import { PTRACE_O } from "../../ffi/abi/ptrace.ts"
import { attempt } from "../../ffi/syscall.ts"
import type { file_entry } from "../../proto/gen/fdinfo_pb.ts"
import { CheckpointError } from "../base/errors.ts"
import { logger } from "../base/log.ts"
import type { EntryKind, EntryOf } from "../image/catalog.ts"
import { fileName, type ImageId } from "../image/name.ts"
import { decodeImage } from "../image/read.ts"
import type { ImageSet } from "../image/set.ts"
import type { ImageTransaction } from "../image/transaction.ts"
import { encodeImage, type Framed } from "../image/write.ts"
import { withoutConnection } from "../kinds/files/socket/inet/closed.ts"
import type { FrozenTree, TreeMember } from "../tracee/freeze.ts"
import { type FrozenProcess, type FrozenThread, putBack } from "../tracee/frozen.ts"
import { haltAll } from "../tracee/halt.ts"
import { getRegisters, getSignalMask, getXstate } from "../tracee/trace.ts"
import { prepareSaving } from "./cgroups.ts"
import { dumpConnections } from "./connections.ts"
import { type Entries, treeDifferences } from "./differences.ts"
import { type SavedProcess, type SavedTree, stopSignalOf } from "./images.ts"
import type { DumpOptions, RestoreOptions } from "./options.ts"
import { readTree } from "./save.ts"
import { writeMetadata } from "./state.ts"
import { memoryDifferences } from "./verify-memory.ts"
import { openWitnesses } from "./witness.ts"

const log = logger("restore")
/** Differences that the error names; the log has all. */
const NAMED = 5

const threadNow = (tid: number): FrozenThread => {
  const registers = getRegisters(tid)
  return {
    tid,
    registers,
    xstate: getXstate(tid),
    mask: getSignalMask(tid),
    resume: registers,
    rseqCs: undefined,
    touched: false,
    running: false,
  }
}

const processNow = (saved: SavedProcess): FrozenProcess => ({
  pid: saved.tree.pid,
  threads: saved.threads.map(({ tid }) => threadNow(tid)),
  frozenAt: performance.now(),
  stopSignal: stopSignalOf(saved),
  traceOptions: PTRACE_O.TRACESYSGOOD | PTRACE_O.EXITKILL,
  heldSignals: [],
  ending: "run",
  [Symbol.dispose]() {
    haltAll(this)
    for (const thread of this.threads) putBack(this.pid, thread)
    for (const signal of this.heldSignals.splice(0)) attempt("kill", this.pid, signal)
  },
})

/** The restored tree as a dump that has just frozen it would see it. Members in the order of pstree.img. */
function treeNow(set: ImageSet, saved: SavedTree): Pick<FrozenTree, "processes" | "members"> {
  const living = new Map(saved.processes.map((one) => [one.tree.pid, processNow(one)]))
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

/** A dump that lets the tree go on and refuses as little as options can ask for. */
const asDump = (pid: number, { shellJob: _, ...options }: RestoreOptions): DumpOptions => ({
  ...options,
  pid,
  shellJob: true,
  leaveRunning: true,
  leaveStopped: false,
  sync: false,
  rseqMalformed: "keep",
  rseqDiscovery: "auto",
  landlock: "drop",
  skipInFlight: true,
  // They are held off already.
  networkLock: "skip",
  manageCgroups: "ignore",
  cgroupProps: [],
  cgroupPropsFiles: [],
  cgroupDumpControllers: [],
  freezeCgroup: undefined,
})

/**
 * Reads a restored tree again by the very way of a dump, and compares it with its images: places in the tree, threads, areas, descriptors,
 * open files, and every stored byte of private memory. What a dump would refuse of the tree as it stands (`resurvey`) fails it too.
 *
 * Not compared: bytes of shared segments, pipes-data, seccomp.img, ids-N.img, the auxiliary vector; nor cgroups, for where they are restored
 * to is a matter of options.
 *
 * Precondition: every thread is stopped by us, with its final registers and mask, and nothing of ours is left in the tree.
 *
 * @throws CheckpointError E_RESTORE naming the first differences; the log has all
 */
export function verifyTree(set: ImageSet, saved: SavedTree, options: RestoreOptions): void {
  const { pid } = saved.root.tree
  const dump = asDump(pid, options)
  const { images, entries } = openRecord()
  const asRestored = (kind: EntryKind, entry: object): object =>
    options.tcpClose && kind === "files" ? withoutConnection(entry as file_entry) : entry
  const before = ((kind, id) => set.optional(kind, id).map((entry) => asRestored(kind, entry))) as Entries
  const frozen = treeNow(set, saved)
  using witnesses = openWitnesses()
  using held = new DisposableStack()
  using connections = dumpConnections(dump, true)
  for (const process of frozen.processes) held.use(process)
  // First: what is asked of a process leaves its traces below its stack pointers.
  const memory = memoryDifferences(set, saved)
  const survey = { processes: new Map(), cgroups: prepareSaving(dump) }
  const differences = readTree(frozen, survey, { witnesses, cgroup: undefined, connections }, dump, ({ state }) => {
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
      shellJob: options.shellJob,
      complete: saved.root.extension !== undefined,
    }
    return [...treeDifferences(before, entries, scope), ...memory]
  })
  for (const text of differences) log.warn(`restored otherwise: ${text}`)
  if (differences.length === 0) return
  const more = differences.length > NAMED ? `; and ${differences.length - NAMED} more, see the log` : ""
  throw new CheckpointError(
    "E_RESTORE",
    `Cannot restore the tree of process ${pid} as it was`,
    `${differences.slice(0, NAMED).join("; ")}${more}`,
    "Restore without --verify to take it as it is, or compare this host with that of the dump",
  )
}
