import { afterEach, describe, expect, test } from "bun:test"
import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync, truncateSync } from "node:fs"
import { join } from "node:path"
import { EXIT_STATUS } from "../../src/base/errors.ts"
import { waitFor } from "../harness/deadline.ts"
import { scratch } from "../harness/folders.ts"
import { cleanUp, endNow, statusOf, threadsOf } from "../harness/process.ts"
import { dump, type Run, restore, run, stasisTool, toldError } from "../harness/tool.ts"
import { launch, start, type Victim } from "../harness/victim.ts"
import { copyImages, fingerprint } from "./images.ts"

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

interface RestorePlan {
  readonly possible: boolean
  readonly status: number
  readonly tree: { readonly pid: number; readonly processes: number; readonly threads: number } | null
  readonly complaints: readonly { readonly code: string; readonly action: string; readonly found: string }[]
  readonly unchecked: readonly string[]
  readonly rounds?: readonly {
    readonly title: string
    readonly programs: readonly { readonly pid: number; readonly tid: number; readonly calls: readonly string[] }[]
  }[]
}

const plan = (...args: string[]): Promise<Run> => run([...stasisTool.command, "plan", "--json", ...args])
const told = <T>({ stdout }: Run): T => JSON.parse(stdout) as T

/** A tree of a shell and its children, in a session of its own. */
async function startTree(children: number): Promise<Victim> {
  const shell = `for i in $(seq ${children}); do sleep 600 & done; wait`
  const victim = launch("tree", ["setsid", "sh", "-c", shell])
  await waitFor("the children", () => readFileSync(`/proc/${victim.pid}/task/${victim.pid}/children`, "utf8").split(" ").length > children)
  await waitFor("their programs", () => childrenOf(victim).every((pid) => statusOf(pid, "Name") === "sleep"))
  return victim
}

const childrenOf = ({ pid }: Victim): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number)

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
    expect(looks).toBeGreaterThan(10)
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

describe("plan of images", () => {
  /** A dumped tree of four; nothing of it lives. */
  async function dumped(): Promise<Victim> {
    const tree = await startTree(3)
    await dump(stasisTool, tree.pid, tree.images)
    await tree.gone()
    return tree
  }
  const codes = (result: Run): string[] => told<RestorePlan>(result).complaints.map(({ code }) => code)

  test("a good set can be restored: nothing is created by saying so, and the restore says so too", async () => {
    const tree = await dumped()
    const before = fingerprint(tree.images)
    const result = await plan(tree.images)
    expect(result.status).toBe(0)
    expect(told<RestorePlan>(result)).toMatchObject({ possible: true, complaints: [], tree: { pid: tree.pid, processes: 4, threads: 4 } })
    expect(fingerprint(tree.images)).toEqual(before)
    expect(existsSync(`/proc/${tree.pid}`)).toBe(false)
    await restore(stasisTool, tree.images)
  })

  test("--syscalls shows the programs of every process, round by round", async () => {
    const tree = await dumped()
    const { rounds = [] } = told<RestorePlan>(await plan("-D", tree.images, "--syscalls"))
    const lines = rounds.flatMap(({ programs }) => programs.flatMap(({ calls }) => calls))
    const clones = lines.filter((line) => line.includes("clone3("))
    expect(clones).toHaveLength(3)
    expect(lines.some((line) => line.includes("setsid()"))).toBe(true)
    const memory = rounds.find(({ title }) => title.startsWith("memory"))
    expect(new Set(memory?.programs.map(({ pid }) => pid)).size).toBe(4)
    for (const { calls } of memory?.programs ?? []) {
      expect(calls.some((line) => line.includes('openat(-100, "/'))).toBe(true)
      expect(calls.some((line) => line.includes("pread64("))).toBe(true)
    }
    const text = await run([...stasisTool.command, "plan", tree.images, "--syscalls"])
    expect(text.stdout).toContain("Not known before there is a process")
    expect(text.stdout).toContain(clones[0] ?? "no clone")
  })

  test("names everyone who holds one of its PIDs, and the file that changed, in one answer", async () => {
    const mapped = await start("maps", { args: ["{folder}"] })
    await dump(stasisTool, mapped.pid, mapped.images, "--leave-running")
    appendFileSync(join(mapped.folder, "mapped"), "more")
    const result = await plan(mapped.images)
    expect(result.status).toBe(7)
    expect(new Set(codes(result))).toEqual(new Set(["E_FILE_CHANGED", "E_PID_TAKEN"]))
    const { complaints } = told<RestorePlan>(result)
    expect(complaints.find(({ code }) => code === "E_PID_TAKEN")?.found).toBe(`PID ${mapped.pid} belongs to process ${mapped.pid} "maps"`)
    expect(complaints.find(({ code }) => code === "E_FILE_CHANGED")?.action).toContain(join(mapped.folder, "mapped"))
  })

  test("every taken PID of a tree that still lives", async () => {
    const tree = await startTree(3)
    await dump(stasisTool, tree.pid, tree.images, "--leave-running")
    const result = await plan(tree.images)
    expect(result.status).toBe(7)
    expect(codes(result)).toEqual(Array(4).fill("E_PID_TAKEN"))
  })

  test("a spoilt set: every missing and damaged image, and what could not be looked at", async () => {
    const tree = await dumped()
    const folder = copyImages(tree.images, scratch("spoilt"))
    const root = `core-${tree.pid}.img`
    const other = readdirSync(folder).find((name) => name.startsWith("core-") && name !== root) ?? ""
    rmSync(join(folder, root))
    rmSync(join(folder, `mm-${tree.pid}.img`))
    truncateSync(join(folder, other), 40)
    const result = await plan(folder)
    expect(result.status).toBe(5)
    const { complaints, unchecked } = told<RestorePlan>(result)
    for (const name of [root, `mm-${tree.pid}.img`, other])
      expect(complaints.filter(({ action }) => action.includes(name)).length).toBeGreaterThan(0)
    expect(unchecked).toContain("the programs of the restore")
    expect((await run([...stasisTool.command, "restore", "-d", folder])).status).toBe(5)
  })

  test("an empty directory", async () => {
    const result = await plan(scratch("empty"))
    expect(result.status).toBe(5)
    expect(codes(result)).toEqual(["E_IMAGE_MISSING"])
  })

  test("names --shell-job for a set that was dumped with it", async () => {
    const job = launch("job", ["sleep", "600"])
    await dump(stasisTool, job.pid, job.images, "-j")
    endNow(job.pid)
    await job.gone()
    const without = await plan(job.images)
    expect(told<{ options: string[] }>(without).options).toEqual(["--shell-job"])
    expect(without.status).toBe((await run([...stasisTool.command, "restore", "-d", job.images])).status)
    expect((await plan(job.images, "-j")).status).toBe(0)
  })
})
