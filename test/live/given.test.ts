import { afterEach, describe, expect, test } from "bun:test"
import { closeSync, existsSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { readFdInfo } from "../../src/proc/fdinfo.ts"
import { fetchPeer } from "../crossing/fetch.ts"
import { cleanUp, linkOf } from "../harness/process.ts"
import { skip } from "../harness/skip.ts"
import { openTerminal } from "../harness/terminal.ts"
import { dump, must, restore, run, stasisTool, type Tool, toldError } from "../harness/tool.ts"
import { isReady, start, type Victim } from "../harness/victim.ts"
import { newPair, newPipe, runWith, says, tell } from "./given.ts"
import { allGone, treeOf } from "./kin.ts"

afterEach(cleanUp)

const IN = 20
const OUT = 21
const linkAt = ({ pid }: Victim, fd: number): string => linkOf(`/proc/${pid}/fd/${fd}`) ?? ""

async function dumped(kind: string, dumper: Tool, options: (victim: Victim) => readonly string[] = () => []) {
  const victim = await start("outsides", { args: [kind, "{folder}"] })
  expect(isReady(victim)).toBe(true)
  const members = treeOf(victim.pid)
  const links = [linkAt(victim, IN), linkAt(victim, OUT)] as const
  const names = options(victim)
  await dump(dumper, victim.pid, victim.images, ...names)
  await allGone(members)
  return { victim, links, names }
}

/** Restores with descriptors of ours at 3 and up, each for one resource. */
async function give(tool: Tool, { images }: Victim, given: readonly (readonly [string, number])[], ...more: string[]): Promise<void> {
  const options = given.flatMap(([resource], index) => ["--inherit-fd", `fd[${3 + index}]:${resource}`])
  const fds = given.map(([, fd]) => fd)
  const { status, stderr } = await runWith(tool, ["restore", "-D", images, "-d", ...options, ...more], fds)
  expect(status === 0 ? "" : stderr).toBe("")
}

async function isWell(victim: Victim): Promise<void> {
  victim.ask()
  expect(await victim.answer()).toBe("OK")
}

const verify = (tool: Tool) => (tool === stasisTool ? ["--verify"] : [])
/** CRIU gives up what was queued in a pipe that is given. */
const pipesOf = (restorer: Tool) => (restorer === stasisTool ? "pipes queued" : "pipes")

const kinds: Readonly<Record<string, (dumper: Tool, restorer: Tool) => Promise<void>>> = {
  async "pipes to both sides"(dumper, restorer) {
    const { victim, links } = await dumped(pipesOf(restorer), dumper)
    const [reader, toVictim] = newPipe()
    const [fromVictim, writer] = newPipe()
    await give(
      restorer,
      victim,
      [
        [links[0], reader],
        [links[1], writer],
      ],
      ...verify(restorer),
    )
    tell(toVictim, "fresh")
    await isWell(victim)
    expect(await says(fromVictim, "told")).toBe("told")
    closeSync(toVictim)
    closeSync(fromVictim)
  },
  async "a unix socket"(dumper, restorer) {
    const { victim, links } = await dumped("socket", dumper, (one) => ["--external", `unix[${linkAt(one, IN).slice(8, -1)}]`])
    const [own, other] = newPair()
    await give(restorer, victim, [[links[0], own]], ...verify(restorer))
    tell(other, "fresh")
    await isWell(victim)
    expect(await says(other, "told")).toBe("told")
    closeSync(other)
  },
  async "a file by its path, shared with whoever gives it"(dumper, restorer) {
    const { victim, links } = await dumped("log", dumper)
    const path = join(victim.folder, "other")
    const fd = openSync(path, "a+", 0o600)
    await give(restorer, victim, [[links[0].slice(1), fd]], ...verify(restorer))
    await isWell(victim)
    expect(readFileSync(path, "utf8")).toBe("told")
    expect(readFileSync(join(victim.folder, "log"), "utf8")).toBe("queued fresh")
  },
  async "a file that was left outside"(dumper, restorer) {
    const { victim, names } = await dumped("file", dumper, (one) => {
      const { mntId } = readFdInfo(one.pid, IN)
      const { ino } = statSync(join(one.folder, "own"))
      return ["--external", `file[${mntId.toString(16)}:${ino.toString(16)}]`]
    })
    rmSync(join(victim.folder, "own"))
    const path = join(victim.folder, "other")
    writeFileSync(path, "queued fresh", { mode: 0o600 })
    await give(restorer, victim, [[names[1] ?? "", openSync(path, "r+")]], ...verify(restorer))
    await isWell(victim)
    expect(readFileSync(path, "utf8")).toBe("queued freshtold")
  },
  async "a terminal that was left outside"(dumper, restorer) {
    const { victim, names } = await dumped("terminal", dumper, (one) => {
      const { rdev, dev } = statSync(`/proc/${one.pid}/fd/${IN}`)
      return ["--external", `tty[${rdev.toString(16)}:${dev.toString(16)}]`]
    })
    const command = [...restorer.command, "restore", "-D", victim.images, "-d", ...verify(restorer), "--inherit-fd", `fd[0]:${names[1]}`]
    using window = openTerminal(["sh", "-c", `"$@"; echo "status $?"; exec sleep 600`, "sh", ...command])
    await window.says(/status 0/)
    window.type("fresh\n")
    await isWell(victim)
    await window.says(/told/)
  },
}

const ask = (command: string, ...args: string[]) => run([...stasisTool.command, command, "--json", ...args])

describe("what whoever restores gives", () => {
  for (const [title, body] of Object.entries(kinds)) test(title, () => body(stasisTool, stasisTool))

  test("plans name what leads out of the tree, in words that --inherit-fd takes", async () => {
    const victim = await start("outsides", { args: ["pipes queued", "{folder}"] })
    const names = [IN, OUT].map((fd) => linkAt(victim, fd))
    const { stdout } = await must(stasisTool, "plan", "--json", `${victim.pid}`)
    const { possible, outside } = JSON.parse(stdout)
    expect(possible).toBe(true)
    expect(outside).toMatchObject([
      { resource: names[0], where: `task ${victim.pid} fd ${IN}`, needed: true },
      { resource: names[1], where: `task ${victim.pid} fd ${OUT}`, needed: true },
    ])
    await dump(stasisTool, victim.pid, victim.images)
    await victim.gone()
    const { complaints } = JSON.parse((await ask("plan", "-D", victim.images)).stdout)
    const wanted = complaints.map(({ next }: { next: string }) => /--inherit-fd 'fd\[N\]:([^']+)'/.exec(next)?.[1])
    expect(wanted).toEqual(names)
    const [[reader, toVictim], [fromVictim, writer]] = [newPipe(), newPipe()]
    const options = names.flatMap((name, index) => ["--inherit-fd", `fd[${3 + index}]:${name}`])
    const planned = await runWith(stasisTool, ["plan", "--syscalls", "-D", victim.images, ...options], [reader, writer])
    expect(planned).toMatchObject({ status: 0 })
    for (const fd of [toVictim, fromVictim]) closeSync(fd)
  })

  test("a restore that is not given the other end of a pipe creates nothing", async () => {
    const { victim, links } = await dumped("pipes", stasisTool)
    const told = toldError(await ask("restore", "-d", victim.images))
    expect(told.code).toBe("E_USAGE")
    expect(told.next).toContain(`--inherit-fd 'fd[N]:${links[0]}'`)
    expect(existsSync(`/proc/${victim.pid}`)).toBe(false)
  })

  test("wrong descriptors are refused by name, and strange names are only told", async () => {
    const { victim, links } = await dumped("log", stasisTool)
    const resource = links[0].slice(1)
    const refuse = async (option: string, fds: readonly number[]) =>
      toldError(await runWith(stasisTool, ["restore", "--json", "-d", victim.images, "--inherit-fd", option], fds))
    expect((await refuse(`fd[9]:${resource}`, [])).found).toBe("stasis was started without descriptor 9")
    expect((await refuse(`fd[3]:${resource}`, [openSync("/dev/null", "r")])).found).toBe("it is not open for writing")
    // Where a standard descriptor is closed, Bun opens /dev/null.
    const closed = ["restore", "--json", "-d", victim.images, "--inherit-fd", `fd[0]:${resource}`]
    const { stderr } = await run(["sh", "-c", 'exec "$@" <&-', "sh", ...stasisTool.command, ...closed])
    expect(stderr).toContain("stasis was started without descriptor 0")
    expect((await refuse("3:x", [])).code).toBe("E_USAGE")
    expect(existsSync(`/proc/${victim.pid}`)).toBe(false)
    await give(stasisTool, victim, [["pipe:[1]", openSync("/dev/null", "r")]])
    await isWell(victim)
  })

  test("a pipe that holds something would change the order of what is read", async () => {
    const { victim, links } = await dumped("pipes queued", stasisTool)
    const [[reader, toVictim], [fromVictim, writer]] = [newPipe(), newPipe()]
    tell(toVictim, "early")
    const options = links.flatMap((name, index) => ["--inherit-fd", `fd[${3 + index}]:${name}`])
    const result = await runWith(stasisTool, ["restore", "--json", "-d", victim.images, ...options], [reader, writer])
    expect(toldError(result).found).toBe("5 bytes are in it, which would be read before the 6 that were queued at the dump")
    for (const fd of [toVictim, fromVictim]) closeSync(fd)
  })

  test("what is given for a socket takes nothing that was queued, and what is of another kind is told", async () => {
    const { victim, links } = await dumped("socket queued", stasisTool, (one) => ["--external", `unix[${linkAt(one, IN).slice(8, -1)}]`])
    const restored = async (fd: number) => {
      await runWith(stasisTool, ["restore", "-d", "-D", victim.images, "-o", "log", "--inherit-fd", `fd[3]:${links[0]}`], [fd])
      return readFileSync(join(victim.images, "log"), "utf8")
    }
    expect(await restored(openSync("/dev/null", "r+"))).toContain(`${links[0]}: fd[3] is no unix socket of the same type`)
    process.kill(victim.pid, "SIGKILL")
    await victim.gone()
    const [own, other] = newPair()
    const told = await restored(own)
    expect(told).toContain(`${links[0]}: the 6 bytes that were queued in it are lost, for it is given`)
    expect(told).not.toContain("no unix socket")
    tell(other, "fresh")
    await isWell(victim)
    closeSync(other)
  })

  test("a word of --external that names nothing is told, by plan too", async () => {
    const victim = await start("heap")
    const words = ["file[1:2]", "dev[9/9]:x", "unix[77]"].flatMap((word) => ["--external", word])
    const { stderr } = await dump(stasisTool, victim.pid, victim.images, "-R", ...words)
    const { stdout } = await must(stasisTool, "plan", `${victim.pid}`, ...words)
    for (const word of ["file[1:2]", "dev[9/9]:x", "unix[77]"]) {
      expect(stderr).toContain(`--external ${word} is not used`)
      expect(stdout).toContain(`--external ${word} is not used`)
    }
  })

  test("a device is opened anew when --external names it, and refused by this name otherwise", async () => {
    const victim = await start("outsides", { args: ["device", "{folder}"] })
    if (!isReady(victim)) return
    const { next } = toldError(await ask("dump", "-t", `${victim.pid}`, "-D", victim.images))
    expect(next).toContain("--external 'dev[10/237]'")
    await dump(stasisTool, victim.pid, victim.images, "--external", "dev[10/237]")
    await victim.gone()
    await restore(stasisTool, victim.images)
    await isWell(victim)
  })

  test("files and terminals that were left outside are asked for by name", async () => {
    const { victim, names } = await dumped("terminal", stasisTool, (one) => {
      const { rdev, dev } = statSync(`/proc/${one.pid}/fd/${IN}`)
      return ["--external", `tty[${rdev.toString(16)}:${dev.toString(16)}]`]
    })
    expect(toldError(await ask("restore", "-d", victim.images)).next).toContain(`--inherit-fd 'fd[N]:${names[1]}'`)
    await must(stasisTool, "show", victim.images)
  })
})

const peer = fetchPeer()
if (typeof peer === "string") skip(peer)
describe("what whoever restores gives, with the real CRIU", () => {
  for (const [title, body] of Object.entries(kinds)) {
    // It waits for ever for the other end of a pair that stasis has given up: its own images have another one there, without a name.
    const isPair = body === kinds["a unix socket"]
    test.skipIf(typeof peer === "string" || isPair)(
      `the real CRIU restores what stasis dumped: ${title}`,
      async () => {
        if (typeof peer !== "string") await body(stasisTool, peer.criu)
      },
      60_000,
    )
    test.skipIf(typeof peer === "string")(
      `stasis restores what the real CRIU dumped: ${title}`,
      async () => {
        if (typeof peer !== "string") await body(peer.criu, stasisTool)
      },
      60_000,
    )
  }
})
