/**
 * Every feature of `stasis check` in turn is missing (STASIS_WITHOUT): its probe says so, and what does not need it is dumped and restored.
 */
import { afterEach, describe, expect, test } from "bun:test"
import { alive, cleanUp } from "../harness/process.ts"
import { run, stasisTool, toldError } from "../harness/tool.ts"
import { start, type Victim } from "../harness/victim.ts"

afterEach(cleanUp)

interface Checked {
  readonly name: string
  readonly need: string
  readonly present: boolean | "unknown"
}

const stasis = (feature: string, ...args: string[]) => run([...stasisTool.command, ...args], { env: { STASIS_WITHOUT: feature } })
const all = await run([...stasisTool.command, "check", "--all", "--json"])
const features = (JSON.parse(all.stdout) as { features: Checked[] }).features

/** A program that needs little: threads apart, no sections, no files but its output. */
const plain = () => start("heap", { env: { GLIBC_TUNABLES: "glibc.pthread.rseq=0" } })

async function expectWell(victim: Victim): Promise<void> {
  victim.ask()
  expect(await victim.answer()).toBe("OK")
}

/** Only what every dump or restore needs may be missed; links of mapped files are a right that root has. */
const expectRefused = (name: string, need: string, code: string): void =>
  expect([name === "map_files" && code === "E_PERMISSION" ? "required" : need, code]).toEqual([
    "required",
    expect.stringMatching(/^E_(?!INTERNAL)/),
  ])

test("the switch of a feature that does not exist does nothing", async () => {
  const { stdout } = await stasis("nothing", "check", "--all", "--json")
  expect((JSON.parse(stdout) as { features: Checked[] }).features.map(({ present }) => present)).toEqual(
    features.map(({ present }) => present),
  )
})

for (const { name, need } of features)
  describe(`without ${name}`, () => {
    test("check says that it is missing, and whether that matters", async () => {
      const one = await stasis(name, "check", "--feature", name, "--json")
      const { features: found } = JSON.parse(one.stdout) as { features: Checked[] }
      expect(one.status).toBe(1)
      expect(found.map(({ name, present }) => ({ name, present: present === true }))).toEqual([{ name, present: false }])
      if (need === "required") expect((await stasis(name, "check")).status).toBe(1)
    })

    test("a plain program is dumped and restored, or one of the two is refused and harms nobody", async () => {
      const victim = await plain()
      const dump = await stasis(name, "dump", `${victim.pid}`, victim.images, "--json")
      if (dump.status !== 0) {
        expectRefused(name, need, toldError(dump).code)
        expect(alive(victim.pid)).toBe(true)
        await expectWell(victim)
        return
      }
      await victim.gone()
      const restore = await stasis(name, "restore", "-d", victim.images, "--json")
      if (restore.status !== 0) {
        expectRefused(name, need, toldError(restore).code)
        await victim.gone()
        // The images are good for a kernel that has it.
        const again = await run([...stasisTool.command, "restore", "-d", victim.images])
        expect([again.status, again.stderr]).toEqual([0, ""])
      }
      await expectWell(victim)
    })
  })

test("unix sockets are refused by name where the kernel does not tell them", async () => {
  const victim = await start("unixpairs")
  const dump = await stasis("unix_sockets", "dump", `${victim.pid}`, victim.images, "--json")
  expect(toldError(dump)).toMatchObject({ code: "E_KERNEL", next: "Load the module: modprobe unix_diag" })
  await expectWell(victim)
})

test("a tree is dumped and restored without /proc/PID/task/TID/children", async () => {
  const victim = await start("families", { args: ["all"] })
  const dump = await stasis("proc_children", "dump", `${victim.pid}`, victim.images)
  expect([dump.status, dump.stderr]).toEqual([0, ""])
  await victim.gone()
  const restore = await stasis("proc_children", "restore", "-d", victim.images, "--verify")
  expect([restore.status, restore.stderr]).toEqual([0, ""])
  await expectWell(victim)
})
