import { afterEach, expect, test } from "bun:test"
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { NETLINK, NLM_F } from "../../ffi/abi/netlink.ts"
import { NFNL } from "../../ffi/abi/nftables.ts"
import { openImages } from "../../src/image/set.ts"
import { encodeImage } from "../../src/image/write.ts"
import { message, openNetlink, parseAttributes } from "../../src/kinds/files/socket/netlink.ts"
import { waitFor } from "../harness/deadline.ts"
import { scratch } from "../harness/folders.ts"
import { otherNetwork } from "../harness/network.ts"
import { alive, cleanUp } from "../harness/process.ts"
import { skip } from "../harness/skip.ts"
import { dump, restore, run, stasisTool, toldError } from "../harness/tool.ts"
import { start } from "../harness/victim.ts"
import { pair } from "./peers.ts"
import { plan, told } from "./plans.ts"

afterEach(cleanUp)

/** Ports of IPv4 (4) or IPv6 that sockets of a process listen at, on the loopback address. */
function listeners(pid: number, family: number): number[] {
  const own = new Set(readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`)))
  return readFileSync(`/proc/net/tcp${family === 4 ? "" : 6}`, "latin1")
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(
      ([, address = "", , state, , , , , , inode]) => state === "0A" && address.startsWith("0100007F") && own.has(`socket:[${inode}]`),
    )
    .map(([, address = ""]) => Number.parseInt(address.split(":")[1] ?? "", 16))
}

/** Names of all tables of nf_tables. */
function tables(): string[] {
  using netlink = openNetlink(NETLINK.NETFILTER)
  const question = message((NFNL.SUBSYS_NFTABLES << 8) | GETTABLE, NLM_F.REQUEST | NLM_F.DUMP, 1, new Uint8Array(4))
  return netlink.ask(question, 1).map(({ body }) => Buffer.from(parseAttributes(body.subarray(4)).get(1) ?? []).toString())
}
const GETTABLE = 1

/**
 * Tables that should have gone: of a tool that has ended, and those that dumps into folders below `images` left. Others may dump and
 * restore connections at the same time.
 */
function leftTables(images: string): string[] {
  const inventories = readdirSync(images, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith("inventory.img"))
  const runs = inventories.map((path) => openImages(dirname(join(images, path))).inventory.dump_criu_run_id)
  const isLeft = (name: string): boolean => {
    const [, pid] = /^stasis-\D*(\d+)$/.exec(name) ?? []
    return pid === undefined ? runs.some((run) => name === `CRIU-${run}`) : !alive(Number(pid))
  }
  return tables().filter(isLeft)
}

/** A command of stasis that is to fail, with its error. */
async function refused(...args: string[]): Promise<ReturnType<typeof toldError>> {
  const result = await run([...stasisTool.command, ...args, "--json"])
  expect(result.status).not.toBe(0)
  return toldError(result)
}

test("--tcp-close: connections come back as new sockets, and both directions want the option", async () => {
  const victim = await start("connections", { args: ["closed"] })
  const without = await refused("dump", `${victim.pid}`, "-D", victim.images)
  expect(without.code).toBe("E_UNSUPPORTED")
  expect(without.found).toContain("a TCP connection")
  expect(without.found).toContain("a listening socket with 1 connections that nobody has accepted yet")
  expect(without.found).toContain("--tcp-close")
  expect(readdirSync(victim.images)).toEqual([])
  await dump(stasisTool, victim.pid, victim.images, "--tcp-close")
  await victim.gone()
  const bare = await refused("restore", "-D", victim.images, "-d")
  expect([bare.code, bare.next]).toEqual(["E_USAGE", "Use --tcp-close here too"])
  await restore(stasisTool, victim.images, "--tcp-close", "--verify")
  victim.ask()
  expect(await victim.answer()).toBe("OK")
}, 60_000)

test("--tcp-established: a program that never accepts refuses the dump, and is open to new connections again", async () => {
  const victim = await start("connections", { args: ["closed"] })
  const told = await refused("dump", `${victim.pid}`, "-D", victim.images, "--tcp-established")
  expect([told.code, told.found]).toEqual(["E_UNSUPPORTED", expect.stringContaining("1 connections that nobody has accepted yet")])
  expect(told.next).toContain("--skip-in-flight")
  expect(readdirSync(victim.images)).toEqual([])
  // Other tests may hold listeners of their own for a moment.
  await waitFor("listeners that are let go", () => !tables().some((name) => name.startsWith("stasis-listeners")))
}, 60_000)

for (const { options, answer } of [
  { options: [], answer: "silence" },
  { options: ["--leave-running"], answer: "open" },
])
  test(`who knocks at a frozen program hears ${answer}: ${options.join() || "killed"}`, async () => {
    const victim = await start("inets", { args: ["tcp"] })
    const [port] = listeners(victim.pid, 4)
    const folder = scratch("knock")
    const script = join(folder, "script")
    const knock = `timeout 0.4 bash -c '</dev/tcp/127.0.0.1/${port}' && echo open >${folder}/answer || echo silence >${folder}/answer`
    writeFileSync(script, `#!/bin/sh\nif [ "$CRTOOLS_SCRIPT_ACTION" = post-dump ]; then ${knock}; fi\n`, { mode: 0o755 })
    await dump(stasisTool, victim.pid, victim.images, "--action-script", script, ...options)
    expect(readFileSync(join(folder, "answer"), "utf8")).toBe(`${answer}\n`)
  }, 60_000)

test("a set that has lost bytes on their way is told before a restore", async () => {
  const victim = await start("connections", { args: ["held"] })
  await dump(stasisTool, victim.pid, victim.images, "--tcp-established")
  await victim.gone()
  const planned = () => run([...stasisTool.command, "plan", "-D", victim.images, "--tcp-established", "--json"])
  expect((await planned()).stdout).not.toContain("on their way")
  for (const name of readdirSync(victim.images).filter((name) => name.startsWith("tcp-stream-"))) {
    const [stream] = openImages(victim.images).withPayloads("tcp-stream", Number.parseInt(name.slice("tcp-stream-".length), 16))
    if (!stream) throw new Error(`${name} has no entry`)
    const message = { ...stream.message, inq_seq: (stream.message.inq_seq - 5000) >>> 0 }
    writeFileSync(join(victim.images, name), encodeImage("tcp-stream", [{ ...stream, message }]))
  }
  expect((await planned()).stdout).toContain("the dump lost 5000 bytes on their way from ")
}, 60_000)

for (const kind of ["held", "stream"]) {
  test(`--tcp-established: ${kind}, dumped, killed and restored`, async () => {
    const victim = await start("connections", { args: [kind] })
    await dump(stasisTool, victim.pid, victim.images, "--tcp-established")
    await victim.gone()
    const bare = await refused("restore", "-D", victim.images, "-d")
    expect([bare.code, bare.next]).toEqual(["E_USAGE", "Use --tcp-established to have it go on, or --tcp-close to have it closed"])
    await restore(stasisTool, victim.images, "--tcp-established", ...(kind === "held" ? ["--verify"] : []))
    victim.ask()
    expect(await victim.answer()).toBe("OK")
  }, 60_000)

  test(`--tcp-established: ${kind}, left running`, async () => {
    const victim = await start("connections", { args: [kind] })
    await dump(stasisTool, victim.pid, victim.images, "--tcp-established", "--leave-running")
    victim.ask()
    expect(await victim.answer()).toBe("OK")
  }, 60_000)
}

test("an address that is in use at the restore is told by name, by plan too, before anything is made", async () => {
  const victim = await start("inets", { args: ["tcp"] })
  const listening = [4, 6].flatMap((family) => listeners(victim.pid, family))
  await dump(stasisTool, victim.pid, victim.images)
  await victim.gone()
  const port = listening[0] ?? 0
  const taker = Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } })
  const action = `Cannot restore TCP 127.0.0.1:${port} listening`
  const answer = await refused("restore", "-D", victim.images, "-d")
  expect(answer.code).toBe("E_RESTORE")
  expect(answer.next).toStartWith("End that program (ss -tulnp names it)")
  expect(told(await plan(victim.images))).toMatchObject({ possible: false, complaints: [{ code: "E_RESTORE", action }] })
  expect(existsSync(`/proc/${victim.pid}`)).toBe(false)
  taker.stop(true)
  await restore(stasisTool, victim.images)
  victim.ask()
  expect(await victim.answer()).toBe("OK")
}, 60_000)

test("a peer that went away meanwhile is told to the program when it writes, and no table is left", async () => {
  const { server, client } = await pair()
  await dump(stasisTool, server.pid, server.images, "--tcp-established")
  await server.gone()
  process.kill(client.pid, "SIGKILL")
  await client.gone()
  await restore(stasisTool, server.images, "--tcp-established")
  expect(await server.answer()).toMatch(/^FAIL (read|write) after \d+ bytes: (Connection reset by peer|Broken pipe)/)
  expect(leftTables(server.images)).toEqual([])
}, 60_000)

test("no table of nf_tables is left by a dump that leaves the tree running", async () => {
  const victim = await start("connections", { args: ["stream"] })
  await dump(stasisTool, victim.pid, victim.images, "--tcp-established", "--leave-running")
  expect(leftTables(victim.images)).toEqual([])
  victim.ask()
  expect(await victim.answer()).toBe("OK")
}, 60_000)

test("a datagram that is queued is told as lost, and stays where it is when the tree runs on", async () => {
  const victim = await start("inets", { args: ["queued"] })
  const { stderr } = await dump(stasisTool, victim.pid, victim.images, "--leave-running")
  expect(stderr).toContain("not kept: datagrams that a socket had not read yet")
  victim.ask()
  expect(await victim.answer()).toBe("OK")
}, 60_000)

test("a dump that is killed at any moment leaves the stream going on, and no table", async () => {
  const victim = await start("connections", { args: ["stream", "patient"] })
  for (let round = 0; round < 8; round++) {
    const images = join(victim.images, `${round}`)
    mkdirSync(images)
    const command = [...stasisTool.command, "dump", "-t", `${victim.pid}`, "-D", images, "--tcp-established", "--leave-running"]
    const child = Bun.spawn(command, { stdin: "ignore", stdout: "ignore", stderr: "ignore" })
    await Bun.sleep(40 + 20 * round)
    child.kill("SIGKILL")
    await child.exited
    expect(leftTables(victim.images)).toEqual([])
  }
  victim.ask()
  expect(await victim.answer()).toBe("OK")
}, 60_000)

/** Rounds of the tests of truth: leave-running dumps and restores by turns. */
const ROUNDS = Number(process.env.STASIS_ROUNDS ?? 10)

/** Dumps a victim by turns leaving it running and killing it, which is restored then. */
async function rounds(victim: Awaited<ReturnType<typeof start>>): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    const images = join(victim.images, `${round}`)
    mkdirSync(images)
    if (round % 2 === 0) await dump(stasisTool, victim.pid, images, "--tcp-established", "--leave-running")
    else {
      await dump(stasisTool, victim.pid, images, "--tcp-established")
      await victim.gone()
      await restore(stasisTool, images, "--tcp-established")
    }
  }
}

test("a stream between two processes of a tree loses nothing and says nothing twice", async () => {
  const victim = await start("connections", { args: ["stream"] })
  await rounds(victim)
  victim.ask()
  expect(await victim.answer()).toBe("OK")
}, 600_000)

test("a stream to a peer in another network namespace, which lives on, loses nothing and says nothing twice", async () => {
  using other = otherNetwork()
  if (!other) return skip("no network namespace can be made")
  const { server, client, ask } = await pair(other.ours, ["ip", "netns", "exec", other.name])
  await rounds(server)
  ask()
  expect(await server.answer()).toBe("OK")
  expect(await client.answer()).toBe("OK")
  expect(leftTables(server.images)).toEqual([])
}, 600_000)
