import { SIG, siginfo } from "../../ffi/abi/signal.ts"
import { decode } from "../../ffi/layout.ts"
import type { signal_queue_entry } from "../../proto/gen/siginfo_pb.ts"
import { type SavedProcess, stopSignalOf } from "./images.ts"

const isStop = (info: Uint8Array): boolean => info.length >= siginfo.size && decode(siginfo, info).si_signo === SIG.STOP

/** SIGSTOP cannot be blocked, so it would stop the building: it is sent when all is done, see `stopIsPending`. */
export const withoutStop = (queue: signal_queue_entry | undefined): signal_queue_entry | undefined =>
  queue && { signals: queue.signals.filter(({ siginfo: info }) => !isStop(info)) }

/** True when a process stops as soon as it runs: it was stopped, or a SIGSTOP was on its way to it. */
export const stopsAtOnce = (saved: SavedProcess): boolean => stopSignalOf(saved) !== 0 || stopIsPending(saved)

const stopIsPending = ({ tc, threads }: SavedProcess): boolean =>
  [tc.signals_s, ...threads.map(({ core }) => core.signals_p)].some((queue) => queue?.signals.some(({ siginfo: info }) => isStop(info)))
