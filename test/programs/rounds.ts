import { inside } from "../harness/folders.ts"
import { signal } from "../harness/process.ts"
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
    await dump(stasisTool, pid, left, "--leave-running", "--no-sync", ...options)
    await pause()
    const members = treeOf(pid)
    if (back) {
      for (const member of members) signal(member, "SIGKILL")
      await allGone(members)
      await restore(stasisTool, left, ...both)
      await check?.()
      await pause()
    }
    const folder = inside(images, `${round}`)
    await dump(stasisTool, pid, folder, "--no-sync", ...options)
    await allGone(members)
    await restore(stasisTool, folder, ...both)
    await Bun.$`rm -rf ${folder} ${left}`
    await check?.()
  }
}
