import { afterEach, describe, expect, test } from "bun:test"
import { chownSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { compileVictim } from "../harness/compile.ts"
import { waitFor } from "../harness/deadline.ts"
import { scratch } from "../harness/folders.ts"
import { alive, cleanUp, stateOf, statusOf } from "../harness/process.ts"
import {
  asRootWithout,
  asUser,
  hindrance,
  OTHER,
  OWN,
  OWN_ROOT,
  publish,
  restoreAndAsk,
  startAs,
  toolAs,
  USER,
  unpublish,
} from "../harness/rung.ts"
import { skip } from "../harness/skip.ts"
import { must, run, toldError } from "../harness/tool.ts"
import { launch } from "../harness/victim.ts"

const why = hindrance()
if (why) skip(`tests of ordinary users: ${why}`)

afterEach(() => {
  cleanUp()
  unpublish()
})

/** What an ordinary user's dumps and restores are tried on: threads in sections, files, pipes, sockets, shared memory, small trees. */
const VICTIMS: readonly (readonly [name: string, ...args: string[]])[] = [
  ["rseqcount", "{folder}"],
  ["threads"],
  ["files", "{folder}"],
  ["pipes"],
  ["maps", "{folder}"],
  ["sharedmem"],
  ["plumbing"],
  ["unixtree"],
  ["unixnames", "accepted", "{folder}"],
  ["posixtimers"],
  ["inotifies", "{folder}"],
]

/** Starts the victim, dumps and restores it, and asks it. It begins when its folders belong to its user. */
const WITHIN = `
until [ -e ../ask ] && touch probe 2>&-; do sleep 0.01; done
"$2" "$PWD/question" &
until grep -q READY ../output; do sleep 0.01; done
"$1" dump $! ../images || exit
wait $!
"$1" restore -d ../images || exit
touch question
until grep -q "^OK\\|^FAIL" ../output; do sleep 0.01; done
echo DONE
`

const titleOf = (...words: string[]): string => words.filter((word) => word !== "{folder}").join(" ")
const ordinary = asUser(USER)
const cr = asUser(USER, "checkpoint_restore", "sys_ptrace")

describe.skipIf(why !== undefined)("an ordinary user", () => {
  for (const [name, ...args] of VICTIMS)
    test(`dumps ${titleOf(name, ...args)}, and restores it in namespaces of his own`, async () => {
      const victim = await startAs(USER, ordinary, name, { args })
      await must(toolAs(...ordinary), "dump", `${victim.pid}`, "-D", victim.images)
      await victim.gone()
      const refused = await run([...toolAs(...ordinary).command, "restore", "-d", "--json", "-D", victim.images])
      expect(toldError(refused)).toMatchObject({ code: "E_PERMISSION", next: expect.stringContaining(`${OWN.join(" ")} stasis restore`) })
      expect((await run([...toolAs(...ordinary).command, "plan", "-D", victim.images])).status).toBe(refused.status)
      const { status, stderr } = await restoreAndAsk(toolAs(...ordinary, ...OWN), victim)
      expect(await victim.answer()).toBe("OK")
      expect({ status, stderr: stderr.replace(/.*shared memory without a name.*\n/, "") }).toEqual({ status: 0, stderr: "" })
    }, 60_000)

  test("leaves a process running, and a second look finds it as it was saved", async () => {
    const victim = await startAs(USER, ordinary, "rseqcount", { args: ["{folder}"] })
    await must(toolAs(...ordinary), "dump", "-R", "--verify", "--unprivileged", `${victim.pid}`, "-D", victim.images)
    victim.ask()
    expect(await victim.answer()).toBe("OK")
  })

  test("may have no more processes: the limit is named, and the process goes on", async () => {
    const victim = await startAs(USER, ordinary, "unused")
    const told = new Set<string>()
    // How many threads the runtime has is its own: where they alone are too many it ends by itself.
    for (let most = 2; most < 10; most++) {
      const { command } = toolAs(...ordinary, "prlimit", `--nproc=${most}`)
      const { status, stderr } = await run([...command, "dump", "-R", "--json", `${victim.pid}`, "-D", victim.images])
      if (stderr.startsWith("{")) told.add(`${status} ${stderr}`)
    }
    for (const one of told) expect(one).toMatch(/^6 .*"E_KERNEL".*RLIMIT_NPROC.*ulimit -u.*EAGAIN/)
    victim.ask()
    expect(await victim.answer()).toBe("OK")
  })

  test("may be killed at any moment of a dump", async () => {
    const victim = await startAs(USER, ordinary, "rseqcount", { args: ["{folder}"] })
    const { command } = toolAs(...ordinary)
    for (let delay = 20; delay < 260; delay += 20) {
      const child = Bun.spawn([...command, "dump", "-R", "--no-sync", `${victim.pid}`, "-D", victim.images], {
        stdin: "ignore",
        stdout: "ignore",
        stderr: "ignore",
      })
      await Bun.sleep(delay)
      child.kill("SIGKILL")
      await child.exited
      await waitFor("the tool to let go", () => statusOf(victim.pid, "TracerPid") === "0")
    }
    await must(toolAs(...ordinary), "dump", "-R", `${victim.pid}`, "-D", victim.images)
    victim.ask()
    expect(await victim.answer()).toBe("OK")
  }, 60_000)

  test("as the root of a user namespace sees his user as root", async () => {
    const victim = await startAs(USER, ordinary, "pipes")
    await must(toolAs(...ordinary), "dump", `${victim.pid}`, "-D", victim.images)
    await victim.gone()
    const { stderr } = await restoreAndAsk(toolAs(...ordinary, ...OWN_ROOT), victim)
    expect(await victim.answer()).toBe("OK")
    expect(stderr).toContain(`user ${USER} of the images is 0 in this user namespace`)
  })

  test("restores in no background that would end at once", async () => {
    const victim = await startAs(USER, ordinary, "pipes")
    await must(toolAs(...ordinary), "dump", `${victim.pid}`, "-D", victim.images)
    await victim.gone()
    const refused = await run([...toolAs(...ordinary, ...OWN).command, "restore", "-d", "--json", "-D", victim.images])
    expect(toldError(refused)).toMatchObject({ code: "E_RESTORE", next: expect.stringContaining("Leave out -d") })
  })

  for (const own of [OWN, OWN_ROOT])
    test(`dumps and restores within ${own.slice(0, -1).join(" ")}`, async () => {
      const base = scratch("within")
      chownSync(base, USER, USER)
      const [tool = "", victim] = [toolAs().command[0], publish(compileVictim("plumbing"))]
      const within = launch("within", [...ordinary, ...own, "sh", "-c", WITHIN, "sh", tool, victim], { base })
      for (const path of [within.folder, within.images, join(base, "output")]) chownSync(path, USER, USER)
      within.ask()
      await waitFor("the end of the script", () => within.lines().includes("DONE") || !alive(within.pid))
      expect(within.lines()).toEqual(["READY", "OK", "DONE"])
    }, 60_000)

  /** What the kernel keeps from him is refused before anything is stopped. */
  const refusals: readonly (readonly [name: string, args: readonly string[], code: string, found: string])[] = [
    ["seccomp", ["tight"], "E_UNSUPPORTED", "under seccomp, which stasis may not look into"],
    ["seccomp", ["strict"], "E_UNSUPPORTED", "under seccomp, which stasis may not look into"],
    ["attribute", ["dumpable"], "E_PERMISSION", "it lets nobody but root look at it"],
    ["ghosts", ["exe", "{folder}"], "E_UNSUPPORTED", "which its name does not lead to any more"],
    ["sharedmem", ["unreserved"], "E_UNSUPPORTED", "more than 16 GiB of shared memory without a file"],
    ["unixnames", ["removed", "{folder}"], "E_UNSUPPORTED", "whose file only CAP_NET_ADMIN may look for"],
  ]
  for (const [name, args, code, found] of refusals)
    test(`is refused ${titleOf(name, ...args)} by name`, async () => {
      const victim = await startAs(USER, ordinary, name, { args })
      const refused = await run([...toolAs(...ordinary).command, "dump", "--json", `${victim.pid}`, "-D", victim.images])
      expect(toldError(refused)).toMatchObject({ code, found: expect.stringContaining(found) })
      expect(readdirSync(victim.images)).toEqual([])
      expect(alive(victim.pid)).toBe(true)
      expect(stateOf(victim.pid)).not.toBe("t")
    })
})

describe.skipIf(why !== undefined)("a user with CAP_CHECKPOINT_RESTORE and CAP_SYS_PTRACE", () => {
  for (const [name, ...args] of [...VICTIMS, ["ghosts", "exe", "{folder}"], ["sysvshm", "removed"], ["bounds"]] as const)
    test(`dumps ${titleOf(name, ...args)} and restores it with its PID`, async () => {
      const victim = await startAs(USER, ordinary, name, { args })
      await must(toolAs(...cr), "dump", `${victim.pid}`, "-D", victim.images)
      await victim.gone()
      await must(toolAs(...cr), "restore", "-d", "-D", victim.images)
      for (const set of ["CapPrm", "CapEff", "CapInh", "CapAmb"]) expect(statusOf(victim.pid, set)).toBe("0000000000000000")
      victim.ask()
      expect(await victim.answer()).toBe("OK")
    }, 60_000)

  test.skipIf(!Bun.which("setcap"))(
    "may have them from stasis's own file",
    async () => {
      const victim = await startAs(USER, ordinary, "rseqcount", { args: ["{folder}"] })
      const tool = toolAs(...ordinary)
      const program = tool.command.at(-1) ?? ""
      const { exitCode, stderr } = Bun.spawnSync(["setcap", "cap_checkpoint_restore,cap_sys_ptrace+ep", program])
      if (exitCode !== 0) {
        return skip(`this file system takes no capabilities: ${stderr.toString().trim()}`)
      }
      await must(tool, "dump", `${victim.pid}`, "-D", victim.images)
      await victim.gone()
      await must(tool, "restore", "-d", "-D", victim.images)
      victim.ask()
      expect(await victim.answer()).toBe("OK")
    },
    60_000,
  )

  test("dumps other users' processes with what /proc wants besides; their user restores them", async () => {
    const victim = await startAs(OTHER, asUser(OTHER), "rseqcount", { args: ["{folder}"] })
    const dump = ["dump", "--json", `${victim.pid}`, "-D", victim.folder]
    const refused = await run([...toolAs(...cr).command, ...dump])
    expect(toldError(refused)).toMatchObject({
      code: "E_PERMISSION",
      found: `it belongs to user ${OTHER}, and stasis runs as user ${USER}`,
      next: expect.stringContaining("CAP_DAC_READ_SEARCH and CAP_KILL"),
    })
    const more = toolAs(...asUser(USER, "checkpoint_restore", "sys_ptrace", "dac_read_search", "dac_override", "kill"))
    await must(more, "dump", `${victim.pid}`, "-D", victim.images)
    await victim.gone()
    const foreign = await run([...more.command, "restore", "-d", "--json", "-D", victim.images])
    expect(toldError(foreign)).toMatchObject({ code: "E_PERMISSION", found: expect.stringContaining(`user ID ${OTHER}`) })
    await must(toolAs(...asUser(OTHER, "checkpoint_restore", "dac_override")), "restore", "-d", "-D", victim.images)
    victim.ask()
    expect(await victim.answer()).toBe("OK")
  }, 60_000)
})

describe.skipIf(why !== undefined)("root of a container", () => {
  for (const capability of ["sys_admin", "sys_ptrace", "net_admin", "sys_resource"])
    test(`without CAP_${capability.toUpperCase()} dumps and restores a tree`, async () => {
      const prefix = asRootWithout(capability)
      const victim = await startAs(0, prefix, "unixtree")
      await must(toolAs(...prefix), "dump", `${victim.pid}`, "-D", victim.images)
      await victim.gone()
      const { stderr } = await must(toolAs(...prefix), "restore", "-d", "-D", victim.images)
      if (capability === "sys_admin") expect(stderr).toContain("CLOCK_MONOTONIC and CLOCK_BOOTTIME jump")
      victim.ask()
      expect(await victim.answer()).toBe("OK")
    }, 60_000)
})

describe.skipIf(why !== undefined)("stasis check", () => {
  const rungs: readonly (readonly [name: string, status: number, prefix: readonly string[], lost: string])[] = [
    ["root", 0, asRootWithout("sys_time"), "clocks that go on where they were dumped"],
    ["checkpoint-restore", 0, cr, "processes under seccomp"],
    ["own-namespaces", 0, [...ordinary, ...OWN], "restored as a memfd"],
    ["ordinary", 1, ordinary, "any restore, but in namespaces of one's own"],
  ]
  for (const [name, status, prefix, lost] of rungs)
    test(`says who stands on the rung ${name}, and what is lost there`, async () => {
      const told = await run([...toolAs(...prefix).command, "check", "--json"])
      expect(told.status).toBe(status)
      expect(JSON.parse(told.stdout)).toMatchObject({ sufficient: status === 0, rung: { name } })
      const text = (await run([...toolAs(...prefix).command, "check"])).stdout
      expect(text).toMatch(/You stand on rung \d of 4: /)
      expect(text).toContain(lost)
    })
})
