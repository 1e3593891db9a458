import type { FileOptions, Insider } from "./collecting.ts"
import { judgeAll } from "./judge.ts"
import { findLeadingOut, notesOn, type OpenFiles } from "./leading-out.ts"
import { findOutsiders } from "./outsiders.ts"
import { scanAll } from "./scan-all.ts"
import { isPacketSocket, lossesOf } from "./socket/packet-sk/survey.ts"
import { describeRefused, kindWord, type Refused, refusedOf, refusedThreads, stillRefused } from "./survey.ts"

/**
 * Looks at the descriptors of running processes. Nothing is stopped or changed.
 *
 * @throws CheckpointError E_NO_PROCESS · E_PERMISSION · E_KERNEL
 */
export function lookAtDescriptors(insiders: readonly Insider[], options: FileOptions): OpenFiles {
  const first = lookOnce(insiders, options)
  let { refused } = first
  for (let again = 1; refused.length > 0 && again < LOOKS; again++) refused = stillRefused(refused, lookOnce(insiders, options).refused)
  return { ...first, refusals: [...describeRefused(refused), ...insiders.flatMap(({ pid, threads }) => refusedThreads(pid, threads))] }
}

/** Looks at running processes before an open file counts as one that cannot be kept. */
const LOOKS = 4

function lookOnce(
  insiders: readonly Insider[],
  options: FileOptions,
): Pick<OpenFiles, "descriptors" | "kinds" | "outside" | "notes" | "losses"> & { refused: Refused[] } {
  using scope = new DisposableStack()
  const inside = new Set(insiders.map(({ pid }) => pid))
  const scans = scanAll(insiders, scope, true)
  const { judged, outsiders, packetSockets, unix } = judgeAll(insiders, scans, options, (all) => findOutsiders(inside, all))
  const kinds = new Map<string, number>()
  for (const { by } of judged) kinds.set(kindWord(by), (kinds.get(kindWord(by)) ?? 0) + 1)
  return {
    descriptors: new Map([...scans].map(([pid, { found }]) => [pid, found.length])),
    kinds,
    outside: findLeadingOut(judged, outsiders, options),
    notes: notesOn(judged, outsiders, options, unix),
    losses: judged.flatMap(({ by, reason }) => {
      const packet = reason ? undefined : packetSockets.get(by.stat.ino)
      return packet && isPacketSocket(by) ? lossesOf(packet, `task ${by.pid} fd ${by.fd}`) : []
    }),
    refused: refusedOf(judged),
  }
}
