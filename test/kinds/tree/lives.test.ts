import { describe, expect, test } from "bun:test"
import { CheckpointError } from "../../../src/base/errors.ts"
import { checkTree } from "../../../src/kinds/tree/check-tree.ts"
import { dice, type Life, live } from "./random-tree.ts"
import { remake } from "./remake.ts"

const FEW: Life = { pids: 8, actions: 150, weights: { fork: 30, setsid: 12, setpgid: 14, exit: 18, reap: 8, subreaper: 10 } }
const MANY: Life = { pids: 60, actions: 250, weights: { fork: 30, setsid: 8, setpgid: 14, exit: 14, reap: 4, subreaper: 12 } }
const SESSIONS: Life = { pids: 20, actions: 120, weights: { fork: 30, setsid: 25, setpgid: 2, exit: 16, reap: 4, subreaper: 16 } }
const lives: readonly (readonly [string, Life, number])[] = [
  ["of few processes", FEW, 2000],
  ["of many processes", MANY, 500],
  ["of many sessions", SESSIONS, 2000],
]

describe("planBirths", () => {
  for (const [name, life, count] of lives)
    test(`makes all of ${count} trees from random lives ${name}, seeds 1 to ${count}`, () => {
      for (let seed = 1; seed <= count; seed++) told(seed, () => remake(live(seed, life), seed))
    })

  test("either makes or refuses 3000 trees with one id changed, seeds 1 to 3000", () => {
    const outcomes = { made: 0, E_IMAGE_CORRUPT: 0, E_IMAGE_UNSUPPORTED: 0 }
    for (let seed = 1; seed <= 3000; seed++) {
      const roll = dice(seed)
      const members = live(seed, FEW)
      const at = roll(members.length)
      const id = members[roll(members.length)]!.pid
      const field = (["pgid", "sid", "ppid"] as const)[roll(3)]!
      const changed = members.map((member, index) => (index === at ? { ...member, [field]: id } : member))
      const dead = changed.filter((member) => member.dead).map(({ pid }) => pid)
      told(seed, () => {
        try {
          checkTree(
            changed.map(({ dead: _, ...member }) => ({ ...member, threads: [member.pid] })),
            new Set(dead),
          )
          remake(changed, seed)
          outcomes.made++
        } catch (error) {
          if (!(error instanceof CheckpointError)) throw error
          if (error.code !== "E_IMAGE_CORRUPT" && error.code !== "E_IMAGE_UNSUPPORTED") throw error
          outcomes[error.code]++
        }
      })
    }
    // All three happen, or this test would show nothing.
    expect(Math.min(...Object.values(outcomes))).toBeGreaterThan(200)
  })
})

/** Names the seed of what fails. */
function told(seed: number, check: () => void): void {
  try {
    check()
  } catch (error) {
    throw new Error(`seed ${seed}`, { cause: error })
  }
}
