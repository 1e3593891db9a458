import { afterEach, describe, expect, test } from "bun:test"
import { readdirSync } from "node:fs"
import { EXIT_STATUS } from "../../src/base/errors.ts"
import { waitFor } from "../harness/deadline.ts"
import { cleanUp, statusOf, threadsOf } from "../harness/process.ts"
import { dump, run, stasisTool, toldError } from "../harness/tool.ts"
import { launch, start, type Victim } from "../harness/victim.ts"
import { childrenOf, plan, startTree, told } from "./plans.ts"

afterEach(cleanUp)

interface DumpPlan {
  readonly possible: boolean
  readonly refusals: readonly { readonly what: string; readonly where: string; readonly remedy: string }[]
  readonly options: readonly string[]
  readonly refusedAnyway: readonly unknown[]
  readonly processes: readonly {
    readonly pid: number
    readonly ppid: number
    readonly name: string
    readonly state: string
    readonly threads: readonly unknown[]
  }[]
  readonly files: Readonly<Record<string, number>>
  readonly estimate: { readonly imageBytes: number; readonly frozenMicroseconds: number }
}

/** Looks at every thread as long as `work` takes: states and tracers that were seen. */
async function watched<T>(pid: number, work: Promise<T>): Promise<{ result: T; states: Set<string>; tracers: Set<string>; looks: number }> {
  const seen = { states: new Set<string>(), tracers: new Set<string>(), looks: 0 }
  let busy = true
  const ended = work.finally(() => {
    busy = false
  })
  while (busy) {
    for (const tid of threadsOf(pid)) {
      seen.tracers.add(statusOf(tid, "TracerPid") ?? "gone")
      seen.states.add(statusOf(tid, "State")?.charAt(0) ?? "gone")
    }
    seen.looks++
    await Bun.sleep(1)
  }
  return { result: await ended, ...seen }
}

describe("plan of a process", () => {
  test("tells what is there, and neither stops nor traces any thread", async () => {
    const victim = await start("threads")
    const { result, states, tracers, looks } = await watched(victim.pid, plan(`${victim.pid}`))
    expect(looks).toBeGreaterThan(2)
    expect([...tracers]).toEqual(["0"])
    expect([...states].filter((state) => !"RSD".includes(state))).toEqual([])
    expect(result.status).toBe(0)
    const found = told<DumpPlan>(result)
    expect(found).toMatchObject({ possible: true, refusals: [], options: [], processes: [{ pid: victim.pid, ppid: 0, name: "threads" }] })
    expect(found.processes[0]?.threads).toHaveLength(threadsOf(victim.pid).length)
    expect(readdirSync(victim.images)).toEqual([])
    victim.ask()
    expect(await victim.answer()).toBe("OK")
  })

  test("shows a stopped process and a tree with its children", async () => {
    const tree = await startTree(3)
    const [child = 0] = childrenOf(tree)
    process.kill(child, "SIGSTOP")
    await waitFor("the stop", () => statusOf(child, "State")?.startsWith("T"))
    const found = told<DumpPlan>(await plan("-t", `${tree.pid}`))
    expect(found.possible).toBe(true)
    expect(found.processes.map(({ pid }) => pid)).toEqual([tree.pid, ...childrenOf(tree)])
    expect(found.processes.find(({ pid }) => pid === child)).toMatchObject({ ppid: tree.pid, state: "T" })
    process.kill(child, "SIGCONT")
  })

  test("refuses what the dump refuses, every object, with its remedy", async () => {
    const victim = await start("unsupported", { args: ["socket"] })
    const result = await plan(`${victim.pid}`)
    expect(result.status).toBe(EXIT_STATUS.E_UNSUPPORTED)
    const { refusals, possible, options } = told<DumpPlan>(result)
    expect({ possible, options }).toEqual({ possible: false, options: [] })
    expect(refusals.length).toBeGreaterThan(1)
    const refused = toldError(await run([...stasisTool.command, "dump", "--json", `${victim.pid}`, victim.images]))
    expect(refused.code).toBe("E_UNSUPPORTED")
    for (const { where, what, remedy } of refusals) {
      expect(refused.found).toContain(`${where}: ${what}`)
      expect(remedy).not.toBe("")
    }
    victim.ask()
    expect(await victim.answer()).toBe("OK")
  })

  test("names --shell-job for a member of another session, and is content with it", async () => {
    const job = launch("job", ["sleep", "600"])
    const without = await plan(`${job.pid}`)
    expect(without.status).toBe(EXIT_STATUS.E_UNSUPPORTED)
    expect(told<DumpPlan>(without)).toMatchObject({ possible: false, options: ["--shell-job"], refusedAnyway: [] })
    const given = await plan(`${job.pid}`, "-j")
    expect(given.status).toBe(0)
    expect(told<DumpPlan>(given)).toMatchObject({ possible: true, refusals: [], options: [] })
  })

  test("a target that no option can help is the dump's own error", async () => {
    const result = await plan("4194000")
    expect(toldError(result).code).toBe("E_NO_PROCESS")
    expect(result.status).toBe(EXIT_STATUS.E_NO_PROCESS)
  })

  const sizes: readonly (readonly [string, () => Promise<Victim>])[] = [
    ["one small process", () => start("heap")],
    ["40 threads", () => start("load", { args: ["40", "0"] })],
    ["32 MiB", () => start("memory", { args: ["32"] })],
    ["shared memory", () => start("sharedmem")],
    ["5 processes", () => startTree(4)],
  ]
  for (const [title, begin] of sizes)
    test(`predicts the size of the images: ${title}`, async () => {
      const victim = await begin()
      const { estimate } = told<DumpPlan>(await plan(`${victim.pid}`))
      const report = JSON.parse((await dump(stasisTool, victim.pid, victim.images, "--json")).stdout) as { bytes: number }
      expect(estimate.imageBytes / report.bytes).toBeGreaterThan(0.8)
      expect(estimate.imageBytes / report.bytes).toBeLessThan(1.25)
      expect(estimate.frozenMicroseconds).toBeGreaterThan(0)
    })
})

test("a program that ends while it is looked at is told as that, not as a mistake of stasis, nor as refused", async () => {
  for (let round = 0; round < 40; round++) {
    const victim = Bun.spawn(["setsid", "sh", "-c", "sleep 0.0$1; exit 0", "sh", `${round + 20}`], { stdin: "ignore", stdout: "ignore" })
    const { status, stderr } = await run([...stasisTool.command, "plan", `${victim.pid}`])
    if (status !== 0) expect(stderr).toMatch(/E_NO_PROCESS|E_TARGET_DIED/)
    expect([0, EXIT_STATUS.E_NO_PROCESS]).toContain(status)
    await victim.exited
  }
})
