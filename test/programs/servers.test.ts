import { afterEach, expect, test } from "bun:test"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { waitFor } from "../harness/deadline.ts"
import { scratch } from "../harness/folders.ts"
import { otherNetwork } from "../harness/network.ts"
import { alive, cleanUp, signal } from "../harness/process.ts"
import { skip } from "../harness/skip.ts"
import { launch, type Victim } from "../harness/victim.ts"
import { treeOf } from "../live/kin.ts"
import { fetchPrograms } from "./fetch.ts"
import { LIMIT, ROUNDS, takeThrough } from "./rounds.ts"
import { type Server, script, servers } from "./servers.ts"

afterEach(cleanUp)

const fetched = fetchPrograms()
if (typeof fetched === "string") skip(fetched)
const find = (program: string) => (typeof fetched === "string" ? undefined : fetched(program))

/** Connections that the client counts with. */
const CONNECTIONS = 8
/** A port of 127.0.0.1 that nobody listens at now. */
function freePort(): number {
  const taken = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } })
  taken.stop(true)
  return taken.port
}

const quoted = (command: readonly string[]): string => command.map((word) => `'${word}'`).join(" ")

/** The answers of each connection, as the client printed them in the end. @throws Error with what went wrong */
async function resultOf(client: Victim): Promise<readonly number[]> {
  const result = await waitFor("the client's result", () => client.lines().find((line) => line.startsWith("RESULT")))
  expect(client.lines().filter((line) => line.startsWith("WRONG"))).toEqual([])
  console.log(`${client.name}: ${client.lines().slice(-2).join(", ")}`)
  return result.split(" ").slice(1).map(Number)
}

/** What the server itself has of the requests: each once. Two of its workers may tell two in the other order: they do after they answer. */
function expectLogged(server: Server, folder: string, counts: readonly number[]): void {
  if (server.protocol !== "static") return
  const lines = readFileSync(join(folder, "logs/access"), "latin1").trim().split("\n")
  counts.forEach((count, number) => {
    const turns = lines.flatMap((line) => (line.startsWith(`${number}/`) ? [Number(/\/(\d+)/.exec(line)?.[1])] : []))
    expect(turns.sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, index) => index + 1))
  })
}

const WORDS = {
  loopback: "on the loopback",
  namespace: "in another network namespace",
  anew: "on the loopback, with a new connection each time",
} as const

for (const server of servers) {
  const python = find("python3.13")
  const ready = python && server.command(find, "/", scratch("probe"))
  if (!ready) skip(`${server.name}: not there`)
  const client = (address: string, ask: string, ...more: string[]): string[] => [
    ...(python ?? []),
    script("client.py"),
    server.protocol,
    address,
    `${CONNECTIONS}`,
    ask,
    ...more,
  ]

  const register = server.places.includes("inside") ? test.skipIf(!ready) : () => {}
  register(
    `${server.name}: its clients inside the tree, over a unix socket`,
    async () => {
      const folder = scratch(server.name)
      const [address, ask] = [join(folder, "socket"), join(folder, "ask")]
      const command = `${quoted(server.command(find, address, folder) ?? [])} & ${quoted(client(address, ask))}; kill $!; wait`
      const tree = launch(server.name, ["setsid", "sh", "-c", command])
      await waitFor("the client", () => tree.lines().includes("READY"))
      await takeThrough(tree, { back: server.protocol !== "static" })
      writeFileSync(ask, "")
      const counts = await resultOf(tree)
      expect(Math.min(...counts)).toBeGreaterThan(ROUNDS)
      await waitFor("the end", () => !alive(tree.pid))
      expectLogged(server, folder, counts)
    },
    LIMIT,
  )

  for (const place of ["loopback", "namespace", "anew"] as const) {
    if (!server.places.includes(place)) continue
    test.skipIf(!ready)(
      `${server.name}: its clients outside the tree, over TCP, ${WORDS[place]}`,
      async () => {
        using other = place === "namespace" ? otherNetwork() : undefined
        if (!other && place === "namespace") return skip("no network namespace can be made")
        const folder = scratch(server.name)
        const [address, ask] = [`${other?.ours ?? "127.0.0.1"}:${freePort()}`, join(folder, "ask")]
        const tree = launch(server.name, ["setsid", ...(server.command(find, address, folder) ?? [])])
        const prefix = other ? ["ip", "netns", "exec", other.name] : []
        const outside = launch(`client of ${server.name}`, [...prefix, ...client(address, ask, ...(place === "anew" ? ["new"] : []))])
        await waitFor("the client", () => outside.lines().includes("READY"))
        await takeThrough(tree, { options: ["--tcp-established"] })
        writeFileSync(ask, "")
        const counts = await resultOf(outside)
        expect(Math.min(...counts)).toBeGreaterThan(ROUNDS)
        expect(alive(tree.pid)).toBe(true)
        for (const pid of treeOf(tree.pid)) signal(pid, "SIGTERM")
        await waitFor("the end", () => !alive(tree.pid))
        expectLogged(server, folder, counts)
      },
      LIMIT,
    )
  }
}
