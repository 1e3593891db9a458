import { expect, test } from "bun:test"
import { waitFor } from "../harness/deadline.ts"
import { alive } from "../harness/process.ts"
import { skip } from "../harness/skip.ts"
import { dump, restore, stasisTool } from "../harness/tool.ts"
import { launch, type Victim } from "../harness/victim.ts"
import type { Program } from "./programs.ts"

const isReady = (victim: Victim) => victim.lines().includes("READY") || (!alive(victim.pid) && victim.lines().join("\n"))
const resultOf = (victim: Victim) => victim.lines().find((line) => line.startsWith("RESULT"))

/** Starts a program in a session of its own and waits until its computation has begun. */
async function begin(title: string, command: readonly string[]): Promise<Victim> {
  const victim = launch(title, ["setsid", ...command])
  expect(await waitFor(`READY of ${title}`, () => isReady(victim), 30)).toBe(true)
  return victim
}

const finish = (victim: Victim, title: string) =>
  waitFor(`the result of ${title}`, () => resultOf(victim) ?? (!alive(victim.pid) && `DIED after ${victim.lines().join("; ")}`), 60)

/** A test of one program, which is skipped where it cannot be had. */
export function testProgram({ title, packages, command }: Program): void {
  const found = command()
  if (!found) skip(`${title}: not installed (apt-get install ${packages}, needs root)`)
  test.skipIf(!found)(
    `${title}: dumped in mid computation, three rounds, gives what an undisturbed run gives`,
    async () => {
      const undisturbed = await finish(await begin(title, found ?? []), title)
      expect(undisturbed).toStartWith("RESULT")
      const victim = await begin(title, found ?? [])
      for (let round = 0; round < 3; round++) {
        await Bun.sleep(round === 1 ? 300 : 60)
        expect(resultOf(victim)).toBeUndefined()
        const images = `${victim.images}/${round}`
        await Bun.$`mkdir ${images}`
        await dump(stasisTool, victim.pid, images, ...(round === 1 ? ["--leave-running"] : []))
        if (round === 1) continue
        await victim.gone()
        await restore(stasisTool, images)
      }
      expect(await finish(victim, title)).toBe(undisturbed)
    },
    180_000,
  )
}
