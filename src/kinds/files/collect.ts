import type { fdinfo_entry } from "../../../proto/gen/fdinfo_pb.ts"
import type { stasis_file_entry } from "../../../proto/gen/stasis_pb.ts"
import type { tty_info_entry } from "../../../proto/gen/tty_pb.ts"
import { CheckpointError, type Refusal, refusedTarget } from "../../base/errors.ts"
import { logger } from "../../base/log.ts"
import { roomForDescriptors } from "../../tracee/own-limit.ts"
import { borrowDescriptors, type Copies } from "./copies.ts"
import { findFifoHolders, inodeKey } from "./fifo/holders.ts"
import type { Found, Holder, PipeData, Surveying } from "./kind.ts"
import type { Outsiders } from "./outside.ts"
import { findPipeHolders, pipeInode } from "./pipe/holders.ts"
import { scanDescriptors } from "./scan.ts"
import { groupShared } from "./sharing.ts"
import { describeRefused, judge, kindWord, type Refused, refusedOf, refusedThreads, rowOf, stillRefused } from "./survey.ts"
import type { FileTable } from "./table.ts"
import { findTerminalHolders, masterIndex } from "./tty/holders.ts"

const log = logger("files")

/** How terminals are judged. */
export interface FileOptions {
  /** Terminals are taken over from whoever restores: CRIU's --shell-job. */
  readonly shellJob: boolean
}

/** The descriptors of a dump as images want them. The files themselves are in the table. */
export interface Descriptors {
  /** By process, ascending by number. */
  readonly fdinfos: ReadonlyMap<number, readonly fdinfo_entry[]>
  /** One a pipe that can be read. */
  readonly pipesData: readonly PipeData[]
  readonly fifoData: readonly PipeData[]
  readonly ttyInfos: readonly tty_info_entry[]
  /** What CRIU's images have no field for. */
  readonly extension: stasis_file_entry[]
  /** What is lost although its object is kept, for people. */
  readonly losses: readonly string[]
}

/** What a process has open, and the way to it. */
interface Scan {
  readonly copies: Copies
  readonly found: readonly Found[]
}

/** Looks at the descriptors of every process. @param mayGo a process that is gone by now is left out */
function scanAll(holders: readonly Holder[], scope: DisposableStack, mayGo: boolean): ReadonlyMap<number, Scan> {
  const scans = new Map<number, Scan>()
  scope.use(roomForDescriptors(holders.length))
  for (const { pid } of holders) {
    try {
      const copies = scope.use(borrowDescriptors(pid))
      scans.set(pid, { copies, found: scanDescriptors(pid, copies) })
    } catch (error) {
      if (!(mayGo && error instanceof CheckpointError && error.code === "E_NO_PROCESS")) throw error
    }
  }
  return scans
}

/** Every descriptor, judged together with those that share its open file. */
function judgeAll(
  holders: readonly Holder[],
  scans: ReadonlyMap<number, Scan>,
  shellJob: boolean,
  findOutsiders: (all: readonly Found[]) => Outsiders,
) {
  const all = [...scans.values()].flatMap(({ found }) => found)
  const outside = findOutsiders(all)
  const masters = new Set(all.flatMap((found) => masterIndex(found) ?? []))
  const surveying = new Map<number, Surveying>()
  const surveyingOf = (pid: number): Surveying =>
    surveying.getOrInsertComputed(pid, () => ({
      shellJob,
      descriptors: new Map(scans.get(pid)?.found.map((found) => [found.fd, found])),
      holders,
      masters,
      pipeHolder: (inode) => outside.pipes.get(inode),
      fifoHolder: (stat) => outside.fifos.get(inodeKey(stat)),
      terminalHolder: (index) => outside.terminals.get(index),
    }))
  return groupShared(all).map((shared) => ({ shared, ...judge(shared, surveyingOf) }))
}

/** What running processes have open. */
export interface OpenFiles {
  /** Descriptors by process. */
  readonly descriptors: ReadonlyMap<number, number>
  /** Open files by the name of their kind, each counted once however many descriptors lead to it. */
  readonly kinds: ReadonlyMap<string, number>
  /** What a dump could not keep. */
  readonly refusals: readonly Refusal[]
}

/**
 * Looks at the descriptors of running processes. Nothing is stopped or changed.
 *
 * @throws CheckpointError E_NO_PROCESS · E_PERMISSION · E_KERNEL
 */
export function lookAtDescriptors(holders: readonly Holder[], { shellJob }: FileOptions): OpenFiles {
  const first = lookOnce(holders, shellJob)
  let { refused } = first
  for (let again = 1; refused.length > 0 && again < LOOKS; again++) refused = stillRefused(refused, lookOnce(holders, shellJob).refused)
  return { ...first, refusals: [...describeRefused(refused), ...holders.flatMap(({ pid, threads }) => refusedThreads(pid, threads))] }
}

/** Looks at running processes before an open file counts as one that cannot be kept. */
const LOOKS = 4

function lookOnce(holders: readonly Holder[], shellJob: boolean): Pick<OpenFiles, "descriptors" | "kinds"> & { refused: Refused[] } {
  using scope = new DisposableStack()
  const inside = new Set(holders.map(({ pid }) => pid))
  const scans = scanAll(holders, scope, true)
  const judged = judgeAll(holders, scans, shellJob, (all) => ({
    pipes: all.some(({ target }) => pipeInode(target) !== undefined) ? findPipeHolders(inside) : new Map(),
    fifos: findFifoHolders(inside, all),
    terminals: findTerminalHolders(inside, all),
  }))
  const kinds = new Map<string, number>()
  for (const { by } of judged) kinds.set(kindWord(by), (kinds.get(kindWord(by)) ?? 0) + 1)
  return {
    descriptors: new Map([...scans].map(([pid, { found }]) => [pid, found.length])),
    kinds,
    refused: refusedOf(judged),
  }
}

/**
 * The descriptors of frozen processes -> their entries. Mirror: restoreDescriptors of ./restore.ts
 *
 * @param holders one for each table of descriptors
 * @param table gets an entry for every open file
 * @throws CheckpointError E_UNSUPPORTED something has been opened since the survey that cannot be kept
 *
 * Precondition: the processes are stopped. They are not changed: pipes keep their content, files their offsets.
 */
export function collectDescriptors(
  holders: readonly Holder[],
  table: Pick<FileTable, "nextId" | "add" | "path" | "memfd">,
  { shellJob }: FileOptions,
): Descriptors {
  using scope = new DisposableStack()
  const scans = scanAll(holders, scope, false)
  // Who else holds a pipe or a terminal was looked up before the freeze: it takes a walk through every process.
  const judged = judgeAll(holders, scans, shellJob, () => ({ pipes: new Map(), fifos: new Map(), terminals: new Map() }))
  const refused = refusedOf(judged)
  if (refused.length > 0) throw refusedTarget(holders[0]?.pid ?? 0, describeRefused(refused))
  const fdinfos = new Map(holders.map(({ pid }): [number, fdinfo_entry[]] => [pid, []]))
  const collected = { table, pipesData: new Map(), fifoData: new Map(), ttyInfos: new Map(), extension: [], losses: [] }
  for (const { shared, by } of judged) {
    const row = rowOf(by)
    const copies = scans.get(by.pid)?.copies
    if (!row || !copies) throw new Error(`Unreachable: fd ${by.fd} was not refused and has no row`)
    const id = table.nextId()
    table.add(row.collect({ ...by, id }, { ...collected, copies }))
    for (const { pid, fd, cloexec } of shared) fdinfos.get(pid)?.push({ id, flags: cloexec ? 1 : 0, type: row.type, fd })
  }
  for (const [pid, entries] of fdinfos) {
    entries.sort((a, b) => a.fd - b.fd)
    log.debug(`${entries.length} descriptors of task ${pid}`)
  }
  const { pipesData, fifoData, ttyInfos, extension, losses } = collected
  return {
    fdinfos,
    pipesData: [...pipesData.values()],
    fifoData: [...fifoData.values()],
    ttyInfos: [...ttyInfos.values()],
    extension,
    losses,
  }
}
