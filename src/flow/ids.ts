import { SIG, sigbit, siginfo } from "../../ffi/abi/signal.ts"
import { decode } from "../../ffi/layout.ts"
import { CheckpointError } from "../base/errors.ts"
import { readStatusIfAlive } from "../proc/status.ts"
import type { SavedProcess } from "./images.ts"

/** Who has a PID or thread ID now; undefined when it is free. */
export function ownerOf(tid: number): { name: string; dying: boolean } | undefined {
  const status = readStatusIfAlive(tid)
  if (!status) return undefined
  const name = status.tgid === tid ? `process ${tid} "${status.name}"` : `thread ${tid} "${status.name}" of process ${status.tgid}`
  return { name, dying: status.state === "Z" || status.state === "X" }
}

/** Finds taken IDs before anything is created. IDs of the dying are waited for later. @throws CheckpointError E_PID_TAKEN */
export function checkIdsFree({ tree }: SavedProcess): void {
  for (const tid of tree.threads) {
    const owner = ownerOf(tid)
    if (!owner || owner.dying) continue
    throw new CheckpointError(
      "E_PID_TAKEN",
      `Cannot restore process ${tree.pid}`,
      `${tid === tree.pid ? "PID" : "thread ID"} ${tid} belongs to ${owner.name}`,
      "End that process, or restore in a PID namespace of its own",
    )
  }
}

/** A signal to end the stub with that nothing in the images has pending: it would be lost. Real-time ones first, that nobody expects. */
export function freeSignal({ tc, threads }: SavedProcess): number {
  const infos = [tc.signals_s, ...threads.map(({ core }) => core.signals_p)].flatMap((queue) => queue?.signals ?? [])
  const pending = infos.reduce((set, { siginfo: info }) => set | sigbit(decode(siginfo, info).si_signo), 0n)
  for (let signal = 64; signal > 0; signal--) if (!(pending & sigbit(signal)) && signal !== SIG.KILL && signal !== SIG.STOP) return signal
  throw new CheckpointError(
    "E_IMAGE_UNSUPPORTED",
    "Cannot restore this process",
    "every signal there is is pending",
    "Restore it with CRIU",
  )
}
