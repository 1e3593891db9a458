import { describe, expect, test } from "bun:test"
import { join } from "node:path"
import { readMaps } from "../../src/proc/maps.ts"
import { findLeftovers } from "../../src/tracee/leftover.ts"
import { waitFor } from "../harness/deadline.ts"
import { stateOf, statusOf, threadsOf } from "../harness/process.ts"
import { canTrace, startTarget, type Target, why } from "./fixture.ts"

const strace = Bun.which("strace")
const canKill = canTrace && strace !== null
const reason = canTrace && !strace ? " (skipped: needs strace)" : why
const BORROWER = join(import.meta.dir, "borrower.ts")

/**
 * Runs the borrower and kills it with SIGKILL when it enters a system call for the `when`th time.
 *
 * @returns false when it came to its end without being killed
 */
async function killedAt(pid: number, call: string, when: number): Promise<boolean> {
  const inject = `inject=${call}:signal=KILL:when=${when}`
  const child = Bun.spawn([strace!, "-qq", "-o", "/dev/null", "-e", `trace=${call}`, "-e", inject, process.execPath, BORROWER, `${pid}`], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  })
  const status = await child.exited
  if (status !== 0 && child.signalCode === null && status !== 137)
    throw new Error(`the borrower failed: ${await new Response(child.stderr).text()}`)
  return status !== 0
}

const areas = (pid: number) =>
  findLeftovers(
    pid,
    readMaps(pid).filter(({ exec, path }) => exec && path === ""),
  )
const descriptors = (pid: number): string[] => [...new Bun.Glob("*").scanSync({ cwd: `/proc/${pid}/fd`, onlyFiles: false })].sort()

/** Nobody traces it, no thread is stopped, and each of them goes on with what it did: no call cut short by EINTR, no sleep too short. */
async function expectWell(target: Target, threads: readonly number[], open: readonly string[]): Promise<void> {
  const { pid } = target
  await waitFor("the target to be free", () =>
    threads.every((tid) => statusOf(tid, "TracerPid") === "0" && !"tT".includes(stateOf(tid) ?? "?")),
  )
  expect(threadsOf(pid)).toEqual([...threads])
  const since = target.board()
  await waitFor("every thread to go on", () => {
    const { spins, sleeps, passes } = target.board()
    return spins > since.spins && sleeps > since.sleeps && passes > since.passes
  })
  expect(target.board()).toMatchObject({ errors: 0, interrupted: 0 })
  await waitFor("what the programs opened to be closed", () => `${descriptors(pid)}` === `${open}`)
}

describe.skipIf(!canKill)(`the tool is killed with SIGKILL${reason}`, () => {
  /** Kills at every `step`th entry of a call until a run gets through. Returns how often it was killed, and areas found on the way. */
  async function sweep(call: string, step: number): Promise<{ kills: number; found: number }> {
    using target = await startTarget("states")
    const { pid } = target
    const [threads, open] = [threadsOf(pid), descriptors(pid)]
    let kills = 0
    let known = 0
    for (let when = 1; await killedAt(pid, call, when); when += step) {
      kills++
      await expectWell(target, threads, open)
      const left = areas(pid)
      for (const { start, end } of left) expect([start % 4096n, end > start, end - start < 1n << 20n]).toEqual([0n, true, true])
      // At most one more a kill. One goes by itself: where the tool died just as the thread was about to give the area back, and was not
      // yet run.
      expect(left.length).toBeLessThanOrEqual(known + 1)
      expect(left.length).toBeGreaterThanOrEqual(known - 1)
      known = left.length
      if (kills > 200) throw new Error("the borrower never gets through")
    }
    await expectWell(target, threads, open)
    return { kills, found: known }
  }

  test("at every ptrace request: the target goes on unharmed, and what is left behind is found", async () => {
    const { kills, found } = await sweep("ptrace", 1)
    expect(kills).toBeGreaterThan(50)
    expect(found).toBeGreaterThan(5)
  }, 180_000)

  test("at every write into its memory, and at every wait", async () => {
    for (const call of ["process_vm_writev", "pwrite64", "wait4"]) expect((await sweep(call, 1)).kills).toBeGreaterThan(0)
  }, 120_000)
})
