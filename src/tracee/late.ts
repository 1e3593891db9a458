import { readCgroupsIfAlive } from "../proc/cgroup.ts"
import { readStatusIfAlive, type Status } from "../proc/status.ts"

/** Why a wait takes too long, and what the operator can do but wait. Both are parts of a sentence: no capital, no full stop at the end. */
export interface Late {
  readonly found: string
  readonly next: string
}

const inWords = ({ pid, name, state }: Status): string => `process ${pid} "${name}" (state ${state})`

/** A thread in a frozen cgroup of version 1 is in state D too, and its stack does not tell. Ends with the first letter of "wait". */
function thawing(tid: number): string {
  const freezer = readCgroupsIfAlive(tid)?.find(({ controllers, path }) => controllers.includes("freezer") && path !== "/")
  return freezer ? `Thaw the cgroup freezer:${freezer.path} if it is frozen (freezer.state), or w` : "W"
}

/** Why a thread that was let run or asked to stop has not reported itself, as far as its state tells. */
export function lateReport(tid: number): Late {
  const state = readStatusIfAlive(tid)?.state
  if (state === "D")
    return {
      found: `thread ${tid} is in uninterruptible sleep (state D), where nothing stops it`,
      next: `${thawing(tid)}ait for what it waits for (/proc/${tid}/stack tells)`,
    }
  if (state === "Z") return { found: `thread ${tid} has ended, but other threads of its process have not`, next: "Wait for their end" }
  if (state === undefined) return { found: `thread ${tid} is gone`, next: "Look for its successor with ps" }
  return { found: `thread ${tid} has not reported itself (state ${state})`, next: "Look at the load of this machine" }
}

/** Why the ID of a task that has ended is not free: who has still to take notice of its end. */
export function lateEnd(id: number): Late {
  const status = readStatusIfAlive(id)
  if (!status) return { found: "it was given away all the while", next: "Look for its owner with ps" }
  const { tgid, threads, state, tracerPid, ppid } = status
  if (state === "X") return { found: "the kernel has not yet taken it away", next: "Look at the load of this machine" }
  const tracer = tracerPid ? readStatusIfAlive(tracerPid) : undefined
  if (tracer) return { found: `its tracer, ${inWords(tracer)}, has not waited for it`, next: `End process ${tracerPid}` }
  if (tgid === id && threads > 1) return { found: `${threads - 1} other threads of it have not ended`, next: "Wait for their end" }
  const parent = readStatusIfAlive(ppid)
  if (ppid === 1)
    return {
      found: `its parent, ${parent ? inWords(parent) : "process 1"}, has not reaped it`,
      next: "Give this PID namespace an init that reaps (docker run --init)",
    }
  if (!parent) return { found: "its parent, which is in another PID namespace, has not reaped it", next: "End its parent" }
  const stopped = parent.state === "T" || parent.state === "t"
  return {
    found: `its parent, ${inWords(parent)}, has not reaped it`,
    next: stopped ? `Let process ${ppid} go on (SIGCONT) or end it` : `Let process ${ppid} wait for its children or end it`,
  }
}
