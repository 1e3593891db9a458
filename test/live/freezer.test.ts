import { afterEach, describe, expect, test } from "bun:test"
import { existsSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { alsoRemove, cgroup, dumped, expectWell, mountOf, property, removeCgroups, setProperty, victimIn } from "../harness/cgroups.ts"
import { waitFor } from "../harness/deadline.ts"
import { cleanUp } from "../harness/process.ts"
import { dump, restore, run, stasisTool, toldError } from "../harness/tool.ts"

afterEach(async () => {
  await cleanUp()
  await removeCgroups()
})

const freezers = [
  {
    version: 1,
    controller: "freezer",
    file: "freezer.state",
    on: "FROZEN",
    off: "THAWED",
    frozen: (directory: string) => property(directory, "freezer.state") === "FROZEN",
  },
  {
    version: 2,
    controller: "",
    file: "cgroup.freeze",
    on: "1",
    off: "0",
    frozen: (directory: string) => property(directory, "cgroup.events").includes("frozen 1"),
  },
]

for (const { version, controller, file, on, off, frozen } of freezers)
  describe.skipIf(mountOf(controller) === undefined)(`--freeze-cgroup, version ${version}`, () => {
    test("is thawed afterwards, and the victim goes on", async () => {
      const directory = cgroup(controller)
      const victim = await victimIn([directory])
      await dump(stasisTool, victim.pid, victim.images, "-R", "--freeze-cgroup", directory)
      expect(property(directory, file)).toBe(off)
      await expectWell(victim)
    })

    test("a tree that was killed is restored", async () => {
      const directory = cgroup(controller)
      const victim = await victimIn([directory], [], [directory])
      await dumped(victim, "--freeze-cgroup", directory)
      expect(property(directory, file)).toBe(off)
      await restore(stasisTool, victim.images)
      await expectWell(victim)
    })

    test("a cgroup that was frozen is refused without the option, and frozen again with it", async () => {
      const directory = cgroup(controller)
      const victim = await victimIn([directory])
      setProperty(directory, file, on)
      await waitFor("the freeze", () => frozen(directory))
      const result = await run([...stasisTool.command, "dump", `${victim.pid}`, victim.images, "-R", "--json"])
      expect(toldError(result)).toMatchObject({ code: "E_UNSUPPORTED", next: `Thaw it, or add --freeze-cgroup ${directory}` })
      const looked = await run([...stasisTool.command, "rseq", `${victim.pid}`, "--json"])
      expect(toldError(looked)).toMatchObject({ code: "E_UNSUPPORTED", next: "Thaw it" })
      await dump(stasisTool, victim.pid, victim.images, "-R", "--freeze-cgroup", directory)
      expect(frozen(directory)).toBe(true)
      victim.ask()
      await Bun.sleep(200)
      expect(victim.lines()).toEqual(["READY"])
      setProperty(directory, file, off)
      expect(await victim.answer()).toBe("OK")
    })

    test("what was frozen when it was dumped and killed is frozen after the restore", async () => {
      const directory = cgroup(controller)
      const victim = await victimIn([directory])
      setProperty(directory, file, on)
      await waitFor("the freeze", () => frozen(directory))
      await dumped(victim, "--freeze-cgroup", directory)
      expect(property(directory, file)).toBe(on)
      await removeCgroups([directory])
      await restore(stasisTool, victim.images)
      alsoRemove(directory)
      await waitFor("the freeze", () => frozen(directory))
      victim.ask()
      await Bun.sleep(200)
      expect(victim.lines()).toEqual(["READY"])
      setProperty(directory, file, off)
      expect(await victim.answer()).toBe("OK")
    })

    test("a tool that is killed leaves it as it was", async () => {
      const directory = cgroup(controller)
      const victim = await victimIn([directory])
      const kill = async (milliseconds: number) => {
        const tool = Bun.spawn([...stasisTool.command, "dump", `${victim.pid}`, victim.images, "-R", "--freeze-cgroup", directory], {
          stdio: ["ignore", "ignore", "ignore"],
        })
        await Bun.sleep(milliseconds)
        tool.kill("SIGKILL")
        await tool.exited
      }
      for (let milliseconds = 20; milliseconds < 140; milliseconds += 6) {
        await kill(milliseconds)
        await waitFor("the guard", () => property(directory, file) === off)
      }
      setProperty(directory, file, on)
      await waitFor("the freeze", () => frozen(directory))
      const script = join(victim.folder, "script")
      const mark = join(victim.folder, "mark")
      writeFileSync(script, `#!/bin/sh\nif [ "$CRTOOLS_SCRIPT_ACTION" = post-dump ]; then : >${mark}; sleep 5; fi\n`, { mode: 0o755 })
      const command = [
        ...stasisTool.command,
        "dump",
        `${victim.pid}`,
        victim.images,
        "-R",
        "--freeze-cgroup",
        directory,
        "--action-script",
        script,
      ]
      const tool = Bun.spawn(command, { stdio: ["ignore", "ignore", "ignore"] })
      await waitFor("the script", () => existsSync(mark))
      expect(property(directory, file)).toBe(off)
      tool.kill("SIGKILL")
      await tool.exited
      await waitFor("the guard", () => frozen(directory))
      setProperty(directory, file, off)
      await expectWell(victim)
    })

    test("errors name what is wrong, and touch nothing", async () => {
      const directory = cgroup(controller)
      const victim = await victimIn([directory])
      const told = async (path: string) =>
        toldError(await run([...stasisTool.command, "dump", `${victim.pid}`, victim.images, "-R", "--json", "--freeze-cgroup", path]))
      expect(await told(join(directory, "missing"))).toMatchObject({ code: "E_DIRECTORY", found: "there is no such directory" })
      expect(await told(victim.folder)).toMatchObject({ code: "E_DIRECTORY", found: "it has neither freezer.state nor cgroup.freeze" })
      setProperty(directory, "cgroup.procs", `${process.pid}`)
      try {
        expect(await told(directory)).toMatchObject({ code: "E_SELF" })
      } finally {
        setProperty(mountOf(controller) ?? "", "cgroup.procs", `${process.pid}`)
      }
      expect(property(directory, file)).toBe(off)
      await expectWell(victim)
    })
  })
