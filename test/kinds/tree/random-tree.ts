import type { Member } from "../../../src/kinds/tree/plan.ts"
import { Kernel, OUTER, Refused } from "./kernel-model.ts"

/** Numbers from 0 to n - 1 that a seed decides (mulberry32). */
export function dice(seed: number): (n: number) => number {
  let state = seed >>> 0
  return (n) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296) * n)
  }
}

/** Processes that a kernel reports below a root, parents first. */
export function observe(kernel: Kernel, root: number): Member[] {
  const found = [kernel.processes.get(root)!]
  for (const { pid } of found) found.push(...[...kernel.processes.values()].filter(({ parent }) => parent === pid))
  return found.map(({ pid, parent, pgid, sid, zombie }) => ({ pid, ppid: pid === root ? 0 : parent, pgid, sid, dead: zombie }))
}

/** How a random life goes: how many processes there may be, how many actions are tried, how often each is chosen. */
export interface Life {
  readonly pids: number
  readonly actions: number
  readonly weights: Readonly<Record<"fork" | "setsid" | "setpgid" | "exit" | "reap" | "subreaper", number>>
}

/** The session and group of the shell that starts a random life. */
export const SHELL = { sid: 2, pgid: 3 }
/** PID of the root of a random life. */
export const ROOT = 10

/**
 * A tree that came about by forks, setsid, setpgid, exits, waits and subreapers of processes that know nothing of checkpoints, so that a
 * kernel can be in this state. PIDs are few and are used again.
 */
export function live(seed: number, { pids, actions, weights }: Life): Member[] {
  const roll = dice(seed)
  const kernel = new Kernel(SHELL)
  kernel.clone(OUTER, ROOT)
  // Half are daemons, a quarter jobs of a shell that leads a group, a quarter part of another's job.
  const kind = roll(4)
  if (kind < 2) kernel.setsid(ROOT)
  else if (kind === 2) kernel.setpgid(ROOT, ROOT)
  const bag = Object.entries(weights).flatMap(([name, weight]) => Array<string>(weight).fill(name))
  const any = <T>(list: readonly T[]): T => list[roll(list.length)]!
  for (let count = 0; count < actions; count++) {
    const all = [...kernel.processes.values()].filter(({ pid }) => pid !== OUTER)
    const { pid, sid } = any(all.filter(({ zombie }) => !zombie))
    const action = any(bag)
    try {
      if (action === "fork") kernel.clone(pid, ROOT + 1 + roll(pids))
      else if (action === "setsid") kernel.setsid(pid)
      else if (action === "setpgid") kernel.setpgid(pid, any([pid, ...all.filter((other) => other.sid === sid).map(({ pgid }) => pgid)]))
      else if (action === "subreaper") kernel.subreaper(pid, roll(3) > 0)
      else if (action === "reap") kernel.reap(pid, any(all).pid)
      else if (pid !== ROOT) kernel.exit(pid)
    } catch (error) {
      if (!(error instanceof Refused)) throw error
    }
  }
  return observe(kernel, ROOT)
}
