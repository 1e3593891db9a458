/**
 * Sections with NO_RESTART flags where the kernel kills a thread in one (Linux 6.1 to 6.18) or ignores the flags (later): the thread is
 * stopped in its section first, and gets the flags while it cannot run. Where they are honoured, test/kernels runs such sections for real.
 */
import { afterEach, describe, expect, test } from "bun:test"
import { closeSync, openSync, writeSync } from "node:fs"
import { RSEQ_CS_FLAG, rseqDescriptor } from "../../ffi/abi/rseq.ts"
import { probeRegime } from "../../src/rseq/regime.ts"
import { waitFor } from "../harness/deadline.ts"
import { cleanUp, statusOf } from "../harness/process.ts"
import { rseqThreads } from "../harness/rseq.ts"
import { dump, restore, run, stasisTool } from "../harness/tool.ts"
import { start, type Victim } from "../harness/victim.ts"

afterEach(cleanUp)
const regime = probeRegime()
const FLAGS = RSEQ_CS_FLAG.NO_RESTART_ON_PREEMPT | RSEQ_CS_FLAG.NO_RESTART_ON_SIGNAL | RSEQ_CS_FLAG.NO_RESTART_ON_MIGRATE

/** Threads that are, or would be, in a section. */
const inside = async ({ pid }: Victim) => (await rseqThreads(stasisTool, `${pid}`)).filter(({ section }) => section !== null)

/** Writes the flags of a section's descriptor, which the program could have written itself. */
function setFlags({ pid }: Victim, descriptor: string | null, flags: number): void {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, flags, true)
  const memory = openSync(`/proc/${pid}/mem`, "r+")
  writeSync(memory, bytes, 0, 4, Number(descriptor) + rseqDescriptor.fields.flags[0])
  closeSync(memory)
}

/** A victim that is stopped while its one thread is in a section; the section has got the flags meanwhile. */
async function stopped(): Promise<{ victim: Victim; descriptor: string | null }> {
  const victim = await start("rseqspin", { args: ["{folder}"] })
  for (let tries = 0; tries < 50; tries++) {
    process.kill(victim.pid, "SIGSTOP")
    await waitFor("the stop", () => statusOf(victim.pid, "State")?.startsWith("T"))
    const [thread] = await inside(victim)
    if (thread?.class === "abortable") {
      setFlags(victim, thread.rseq_cs, FLAGS)
      return { victim, descriptor: thread.rseq_cs }
    }
    process.kill(victim.pid, "SIGCONT")
  }
  throw new Error("It is never stopped in its section")
}

async function goOn(victim: Victim, descriptor: string | null): Promise<void> {
  setFlags(victim, descriptor, 0)
  process.kill(victim.pid, "SIGCONT")
  victim.ask()
  expect(await victim.answer()).toBe("OK")
}

describe.skipIf(regime === "honoured" || regime === "none")(`NO_RESTART sections where they are ${regime}`, () => {
  const kind = regime === "fatal" ? "no-restart" : "abortable"
  const warning = regime === "fatal" ? /this kernel kills a thread inside a section with flags/ : /this kernel ignores the section's flags/

  test("a dump leaves the thread where it was, with its section, and warns", async () => {
    const { victim, descriptor } = await stopped()
    const [before] = await inside(victim)
    expect(before).toMatchObject({ class: kind, rseq_cs: descriptor })
    const { stderr } = await dump(stasisTool, victim.pid, victim.images, "--leave-stopped")
    expect(stderr).toMatch(warning)
    const [saved] = (await rseqThreads(stasisTool, "-D", victim.images)).filter(({ section }) => section !== null)
    expect([saved?.class, saved?.rseq_cs, saved?.ip]).toEqual([kind, descriptor, before?.ip])
    const [after] = await inside(victim)
    if (regime === "fatal") expect([after?.class, after?.rseq_cs, after?.ip]).toEqual([kind, descriptor, before?.ip])
    await goOn(victim, descriptor)
  })

  test("a restored one is in its section again until it is let go, and the restore warns", async () => {
    const { victim, descriptor } = await stopped()
    const [before] = await inside(victim)
    await dump(stasisTool, victim.pid, victim.images)
    await victim.gone()
    const result = await run([...stasisTool.command, "restore", "-d", "-D", victim.images])
    expect(result.status).toBe(0)
    const [after] = await inside(victim)
    if (regime === "fatal") {
      expect(result.stderr).toContain("this kernel kills it when it is next interrupted there")
      expect([after?.class, after?.rseq_cs, after?.ip, after?.section]).toEqual([
        before?.class,
        before?.rseq_cs,
        before?.ip,
        before?.section,
      ])
    } else expect(after).toBeUndefined()
    await goOn(victim, descriptor)
  })

  test("images of a kernel that honours them are restored as they were saved", async () => {
    if (regime !== "fatal") return
    const { victim, descriptor } = await stopped()
    await dump(stasisTool, victim.pid, victim.images)
    await victim.gone()
    await restore(stasisTool, victim.images, "--verify")
    expect((await inside(victim)).map(({ rseq_cs }) => rseq_cs)).toEqual([descriptor])
    await goOn(victim, descriptor)
  })
})
