import { afterEach, describe, expect, test } from "bun:test"
import { appendFileSync, existsSync, readdirSync, readlinkSync, rmSync, truncateSync } from "node:fs"
import { join } from "node:path"
import { endWaiter, spawnSeed } from "../../src/tracee/seed.ts"
import { fixedDeadline } from "../../src/tracee/wait.ts"
import { waitFor } from "../harness/deadline.ts"
import { scratch } from "../harness/folders.ts"
import { cleanUp, endNow, statusOf } from "../harness/process.ts"
import { dump, type Run, restore, run, stasisTool } from "../harness/tool.ts"
import { launch, start, type Victim } from "../harness/victim.ts"
import { copyImages, fingerprint } from "./images.ts"
import { childrenOf, plan, startTree, told } from "./plans.ts"

afterEach(cleanUp)

interface RestorePlan {
  readonly possible: boolean
  readonly status: number
  readonly tree: { readonly pid: number; readonly processes: number; readonly threads: number } | null
  readonly complaints: readonly { readonly code: string; readonly action: string; readonly found: string }[]
  readonly unchecked: readonly string[]
  readonly waits: readonly string[]
  readonly rounds?: readonly {
    readonly title: string
    readonly programs: readonly { readonly pid: number; readonly tid: number; readonly calls: readonly string[] }[]
  }[]
}

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

  test("a PID that a zombie keeps, and the parent that has not reaped it", async () => {
    const parent = launch("unreaped", ["sh", "-c", "setsid sleep 600 & exec sleep 599"])
    await waitFor(
      "both programs",
      () => [parent.pid, ...childrenOf(parent)].filter((pid) => statusOf(pid, "Name") === "sleep").length === 2,
    )
    const [child = 0] = childrenOf(parent)
    await dump(stasisTool, child, parent.images)
    await waitFor("the sleep of its parent", () => statusOf(parent.pid, "State")?.startsWith("S"))
    const result = told<RestorePlan>(await plan(parent.images))
    expect(result).toMatchObject({
      possible: true,
      waits: [
        `PID ${child}, which belongs to process ${child} "sleep": its parent, process ${parent.pid} "sleep" (state S), has not reaped it`,
      ],
    })
    const text = await run([...stasisTool.command, "plan", parent.images])
    expect(text.stdout).toContain(`A restore first waits, up to its --timeout, for\n  PID ${child}, which`)
  })

  test("the PID of a process that had ended, which its files in /proc need", async () => {
    const victim = await start("departures")
    const links = readdirSync(`/proc/${victim.pid}/fd`).map((fd) => readlinkSync(`/proc/${victim.pid}/fd/${fd}`))
    const departed = Number(links.find((link) => link.endsWith("/status"))?.split("/")[2])
    await dump(stasisTool, victim.pid, victim.images)
    await victim.gone()
    spawnSeed(departed, {}, fixedDeadline(10_000), () => ({ name: "nobody", dying: false, late: () => ({ found: "", next: "" }) }))
    try {
      const result = await plan(victim.images)
      expect(codes(result)).toEqual(["E_PID_TAKEN"])
      expect(told<RestorePlan>(result).complaints[0]?.found).toContain(`the PID of an ended process ${departed} belongs to process`)
      const refused = await run([...stasisTool.command, "restore", victim.images, "-d"])
      expect(refused.status).toBe(7)
    } finally {
      endWaiter(departed)
    }
    await restore(stasisTool, victim.images)
    victim.ask()
    expect(await victim.answer()).toBe("OK")
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

test.each([
  ["no_new_privs", ["setpriv", "--no-new-privs"], "no_new_privs set"],
  ["a lower hard limit", ["setpriv", "--bounding-set", "-sys_resource", "prlimit", "--memlock=0:0"], "Max locked memory"],
  ["/proc of another PID namespace", ["unshare", "-pf"], "/proc is that of another PID namespace"],
])("what stands against a restore is told alike by it and by plan: %s", async (_, within, found) => {
  const victim = await start("heap")
  await dump(stasisTool, victim.pid, victim.images)
  await victim.gone()
  const [planned, restored] = [
    await run([...within, ...stasisTool.command, "plan", "-D", victim.images]),
    await run([...within, ...stasisTool.command, "restore", "-d", "-D", victim.images]),
  ]
  expect(planned.stdout + planned.stderr).toContain(found)
  expect(restored.stderr).toContain(found)
  expect(restored.status).toBe(planned.status)
})
