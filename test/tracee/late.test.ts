import { afterEach, describe, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { basename } from "node:path"
import { attempt } from "../../ffi/syscall.ts"
import type { SavedTree } from "../../src/flow/images.ts"
import { checkIdsFree } from "../../src/flow/restore/ids.ts"
import { lateEnd, lateReport } from "../../src/tracee/late.ts"
import { ptrace } from "../../src/tracee/trace.ts"
import { deadlineIn, waitReport } from "../../src/tracee/wait.ts"
import { cgroup, mountOf, removeCgroups, setProperty } from "../harness/cgroups.ts"
import { waitFor } from "../harness/deadline.ts"
import { failureOf } from "../harness/failure.ts"
import { stateOf } from "../harness/process.ts"
import { start } from "../harness/victim.ts"
import { canTrace, startTarget, why } from "./fixture.ts"

const parents: Bun.Subprocess[] = []
afterEach(() => {
  for (const parent of parents.splice(0)) parent.kill("SIGKILL")
})

/** A zombie whose parent waits for nobody. @returns PIDs */
async function startZombie(): Promise<{ parent: number; zombie: number }> {
  const parent = Bun.spawn(["sh", "-c", "true & exec sleep 60"], { stdin: "ignore" })
  parents.push(parent)
  const { pid } = parent
  const child = () => Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1")) || undefined
  const zombie = await waitFor("a child", child)
  await waitFor("its end", () => stateOf(zombie) === "Z")
  await waitFor("the sleep of sleep(1)", () => readFileSync(`/proc/${pid}/comm`, "latin1") === "sleep\n" && stateOf(pid) === "S")
  return { parent: pid, zombie }
}

describe("lateEnd", () => {
  test("names the parent that has not reaped a zombie, its state, and what to do", async () => {
    const { parent, zombie } = await startZombie()
    expect(lateEnd(zombie)).toEqual({
      found: `its parent, process ${parent} "sleep" (state S), has not reaped it`,
      next: `Let process ${parent} wait for its children or end it`,
    })
    process.kill(parent, "SIGSTOP")
    await waitFor("its stop", () => stateOf(parent) === "T")
    expect(lateEnd(zombie)).toMatchObject({
      found: expect.stringContaining("(state T)"),
      next: `Let process ${parent} go on (SIGCONT) or end it`,
    })
  })

  test("a restore that waits for such a PID says so, and nothing of uninterruptible sleep", async () => {
    const { parent, zombie } = await startZombie()
    const root = { tree: { pid: zombie, threads: [zombie] }, files: { departed: new Map() } }
    const saved = { root, processes: [root], dead: [] } as unknown as SavedTree
    expect(failureOf(() => checkIdsFree(saved, [], deadlineIn(0.1)))).toMatchObject({
      code: "E_TIMEOUT",
      action: `Cannot finish the wait for PID ${zombie}, which belongs to process ${zombie} "sh"`,
      found: `after 0.1 s its parent, process ${parent} "sleep" (state S), has not reaped it`,
      next: `Let process ${parent} wait for its children or end it, or give a longer --timeout`,
    })
  })

  test.skipIf(!canTrace)(`names the tracer that has not waited${why}`, async () => {
    using target = await startTarget("idle")
    ptrace("SEIZE", target.pid, 0, 0)
    attempt("kill", target.pid, 9)
    await waitFor("its end", () => stateOf(target.pid) === "Z")
    expect(lateEnd(target.pid).found).toMatch(new RegExp(`^its tracer, process ${process.pid} "bun.*has not waited for it`))
    expect(waitReport(target.pid, deadlineIn(5), "the end").kind).toBe("gone")
  })
})

describe("lateReport", () => {
  test("tells the state of a thread that says nothing", async () => {
    const child = Bun.spawn(["sleep", "60"], { stdin: "ignore" })
    parents.push(child)
    await waitFor("its sleep", () => stateOf(child.pid) === "S")
    expect(lateReport(child.pid).found).toBe(`thread ${child.pid} has not reported itself (state S)`)
    expect(lateReport(0x3fffffff).found).toBe("thread 1073741823 is gone")
  })

  test.skipIf(!canTrace)("says of uninterruptible sleep that nothing stops it", async () => {
    const { pid } = await start("births", { args: ["vfork"] })
    await waitFor("the sleep of vfork", () => stateOf(pid) === "D")
    expect(lateReport(pid)).toEqual({
      found: `thread ${pid} is in uninterruptible sleep (state D), where nothing stops it`,
      next: `Wait for what it waits for (/proc/${pid}/stack tells)`,
    })
  })

  test.skipIf(mountOf("freezer") === undefined)("names the cgroup of version 1 that may be frozen", async () => {
    const directory = cgroup("freezer")
    const child = Bun.spawn(["sleep", "60"], { stdin: "ignore" })
    parents.push(child)
    setProperty(directory, "cgroup.procs", `${child.pid}`)
    setProperty(directory, "freezer.state", "FROZEN")
    try {
      await waitFor("the freeze", () => stateOf(child.pid) === "D")
      expect(lateReport(child.pid).next).toBe(
        `Thaw the cgroup freezer:/${basename(directory)} if it is frozen (freezer.state), ` +
          `or wait for what it waits for (/proc/${child.pid}/stack tells)`,
      )
    } finally {
      setProperty(directory, "freezer.state", "THAWED")
      child.kill("SIGKILL")
      await child.exited
      await removeCgroups()
    }
  })
})
