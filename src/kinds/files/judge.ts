import { refusedTarget } from "../../base/errors.ts"
import { findUsedBpfMaps, type LoadedProgram } from "./bpf-map/ask.ts"
import { isBpfMap } from "./bpf-map/collect.ts"
import type { CollectMoment, FileOptions, Found, Insider, Surveying } from "./collecting.ts"
import { groupShared, type Shared } from "./group-shared.ts"
import { openersAmong } from "./notify/place.ts"
import { NOBODY, type Outsiders } from "./outsiders.ts"
import { findWholePipes } from "./pipe/ends.ts"
import { type Scan, scanAll } from "./scan-all.ts"
import { findInetSockets } from "./socket/diag.ts"
import { isPacketSocket } from "./socket/packet-sk/survey.ts"
import { findPacketSockets } from "./socket/packet-sk/table.ts"
import { type Flight, lookInFlight } from "./socket/unix/flight.ts"
import { rehearsePeek } from "./socket/unix/queue.ts"
import { openScene } from "./socket/unix/scene.ts"
import { inodeKey } from "./stat.ts"
import { describeRefused, type Judgement, judge, refusedOf } from "./survey.ts"
import { masterIndex } from "./tty/holders.ts"

/** An open file with what was found of it, and all descriptors that share it. */
export type JudgedFile = Judgement & { readonly shared: Shared }

/** All in one list. Not by flatMap, which takes a tenth of a look where there are thousands. */
function foundIn(scans: ReadonlyMap<number, Scan>): Found[] {
  const all: Found[] = []
  for (const { found } of scans.values()) for (const one of found) all.push(one)
  return all
}

/**
 * Every descriptor, judged together with those that share its open file.
 *
 * @param outsidersOf looks for who outside has what was found   @param flight what is queued in unix sockets, if it was looked at
 * @throws SyscallError
 */
export function judgeAll(
  insiders: readonly Insider[],
  scans: ReadonlyMap<number, Scan>,
  options: FileOptions,
  outsidersOf: (all: readonly Found[]) => Outsiders,
  flight?: Flight,
) {
  const all = foundIn(scans).concat(flight?.found ?? [])
  const outsiders = outsidersOf(all)
  const unix = openScene(all, outsiders.sockets, options, flight)
  const masters = new Set(all.map(masterIndex).filter((index) => index !== undefined))
  const hasBothEnds = findWholePipes(all)
  const inetSockets = findInetSockets(all.map(({ socket }) => socket).filter((socket) => socket !== undefined))
  const packetSockets = findPacketSockets(all.some(isPacketSocket))
  const usedBpfMaps = all.some(isBpfMap) ? findUsedBpfMaps() : new Map<number, LoadedProgram>()
  const openers = openersAmong(all)
  const surveying = new Map<number, Surveying>()
  const surveyingOf = (pid: number): Surveying =>
    surveying.getOrInsertComputed(pid, () => ({
      ...options,
      inetSockets,
      packetSockets,
      usedBpfMaps,
      keeping: options,
      descriptors: new Map(scans.get(pid)?.found.map((found) => [found.fd, found])),
      insiders,
      openers,
      masters,
      hasBothEnds,
      pipeHolder: (inode) => outsiders.pipes.get(inode),
      fifoHolder: (stat) => outsiders.files.get(inodeKey(stat)),
      terminalHolder: (index) => outsiders.terminals.get(index),
      socketHolder: (inode) => outsiders.sockets.get(inode),
      unix,
    }))
  return {
    unix,
    inetSockets,
    packetSockets,
    hasBothEnds,
    outsiders,
    judged: groupShared(all).map((shared): JudgedFile => ({ shared, ...judge(shared, surveyingOf) })),
  }
}

/** All that is open, judged, with the ways to it. */
export interface JudgedFiles extends ReturnType<typeof judgeAll> {
  readonly scans: ReadonlyMap<number, Scan>
  readonly flight: Flight
}

/**
 * Looks at processes for the last time before they are collected. Who else has a pipe, a connection or a terminal was looked up before the
 * freeze: it takes a walk through every process.
 *
 * @param scope keeps the ways to them open   @throws CheckpointError E_UNSUPPORTED
 */
export function judgeForGood(insiders: readonly Insider[], options: FileOptions & CollectMoment, scope: DisposableStack): JudgedFiles {
  const scans = scanAll(insiders, scope, false, options.most)
  // Queues of those that run are not looked into; so that the code for it is warm in the freeze, another one is.
  const found = options.stopped ? foundIn(scans) : []
  if (!options.stopped) rehearsePeek()
  const flight = scope.use(lookInFlight(found, (pid) => scans.get(pid)?.copies))
  const all = judgeAll(insiders, scans, options, () => NOBODY, flight)
  const refused = refusedOf(all.judged)
  if (refused.length > 0) throw refusedTarget(insiders[0]?.pid ?? 0, describeRefused(refused))
  return { ...all, scans, flight }
}
