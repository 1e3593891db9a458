import { waitFor } from "../harness/deadline.ts"
import { inside } from "../harness/folders.ts"
import { signal, stateOf } from "../harness/process.ts"
import { dump, restore, stasisTool } from "../harness/tool.ts"
import type { Victim } from "../harness/victim.ts"
import { allGone, treeOf } from "../live/kin.ts"

/** How often a program is dumped and left running, and dumped, killed and restored. */
export const ROUNDS = Number(process.env.STASIS_ROUNDS ?? 2)

/** Milliseconds that all rounds of a test may take, for the slowest program on a loaded machine. */
export const LIMIT = (30 + 12 * ROUNDS) * 1000

/** Milliseconds of work between two dumps: another moment each time. */
const pause = (): Promise<void> => Bun.sleep(30 + Math.random() * 200)

export interface Way {
  /** What the dumps want. */
  readonly options?: readonly string[]
  /** The tree changes nothing outside itself: it may be killed long after a dump that left it running, and restored from there. */
  readonly back?: boolean
  /** Called after each restore. */
  readonly check?: () => unknown
}

/** Kills processes none of which sees another one die. */
async function endAtOnce(pids: readonly number[]): Promise<void> {
  for (const pid of pids) signal(pid, "SIGSTOP")
  await waitFor("the tree to stop", () => pids.every((pid) => !/[RSD]/.test(stateOf(pid) ?? "")))
  for (const pid of pids) signal(pid, "SIGKILL")
  await allGone(pids)
}

/** How often a dump is tried: a client that has sent something and is not accepted yet refuses it for a moment. */
const TRIES = 10
const FOR_A_MOMENT = /which has not accepted it yet/

/** Dumps; again, as its error says, when a client was just being accepted. */
async function dumpWhenAccepted(pid: number, folder: string, ...options: readonly string[]): Promise<void> {
  for (let tried = 1; ; tried++)
    try {
      return void (await dump(stasisTool, pid, folder, "--no-sync", ...options))
    } catch (error) {
      if (tried === TRIES || !FOR_A_MOMENT.test(`${error}`)) throw error
      console.log("a dump was refused for a moment: a client was not accepted yet")
      await Bun.sleep(20)
    }
}

/**
 * Takes a program that is at work through all its rounds. Each is a dump that leaves it running, and a dump that kills it, with a restore;
 * before that, with `back`, it is killed and restored from the first dump.
 *
 * @throws Error when a dump or a restore fails
 */
export async function takeThrough({ pid, images }: Victim, { options = [], back = false, check }: Way): Promise<void> {
  const both = options.filter((option) => option === "--tcp-established")
  for (let round = 0; round < ROUNDS; round++) {
    await pause()
    const left = inside(images, `left-${round}`)
    await dumpWhenAccepted(pid, left, "--leave-running", ...options)
    await pause()
    const members = treeOf(pid)
    if (back) {
      await endAtOnce(members)
      await restore(stasisTool, left, ...both)
      await check?.()
      await pause()
    }
    const folder = inside(images, `${round}`)
    await dumpWhenAccepted(pid, folder, ...options)
    await allGone(members)
    await restore(stasisTool, folder, ...both)
    await Bun.$`rm -rf ${folder} ${left}`
    await check?.()
  }
}
