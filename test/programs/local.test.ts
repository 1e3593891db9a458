import { afterEach, expect, test } from "bun:test"
import { existsSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { waitFor } from "../harness/deadline.ts"
import { scratch } from "../harness/folders.ts"
import { alive, cleanUp, signal } from "../harness/process.ts"
import { skip } from "../harness/skip.ts"
import { run } from "../harness/tool.ts"
import { launch } from "../harness/victim.ts"
import { treeOf } from "../live/kin.ts"
import { fetchPrograms } from "./fetch.ts"
import { LIMIT, takeThrough } from "./rounds.ts"

afterEach(cleanUp)

const fetched = fetchPrograms()
const find = (program: string): string | undefined =>
  typeof fetched === "string"
    ? undefined
    : fetched(program)
        ?.map((word) => `'${word}'`)
        .join(" ")
if (typeof fetched === "string") skip(fetched)

const [redis, benchmark, cli] = ["redis-server", "redis-benchmark", "redis-cli"].map(find)
/** Requests of one run of redis-benchmark, a second or so. */
const REQUESTS = 40_000

test.skipIf(!redis)(
  "redis-benchmark in the tree of its redis-server: each of its requests is counted once",
  async () => {
    const folder = scratch("benchmark")
    const [socket, ask] = [join(folder, "socket"), join(folder, "ask")]
    const tree = launch("benchmark", [
      "setsid",
      "sh",
      "-c",
      `${redis} --save '' --port 0 --unixsocket ${socket} >/dev/null & while ! [ -S ${socket} ]; do sleep .1; done
       runs=0; until [ -e ${ask} ]; do ${benchmark} -s ${socket} -t incr -c 20 -n ${REQUESTS} -q >/dev/null; runs=$((runs + 1)); done
       echo counted $runs; wait`,
    ])
    await waitFor("the server", () => existsSync(socket))
    await Bun.sleep(300)
    await takeThrough(tree, { back: true })
    writeFileSync(ask, "")
    const counted = await waitFor("the benchmark", () => tree.lines().find((line) => line.startsWith("counted")))
    const { stdout } = await run(["sh", "-c", `${cli} -s ${socket} get counter:__rand_int__`])
    expect(Number(stdout)).toBe(REQUESTS * Number(counted.split(" ")[1]))
    expect(tree.lines()).toEqual([counted])
    for (const pid of treeOf(tree.pid).reverse()) signal(pid, "SIGTERM")
  },
  LIMIT,
)

const sqlite = find("sqlite3")

for (const journal of ["delete", "wal"]) {
  test.skipIf(!sqlite)(
    `sqlite3 in the middle of a transaction (journal_mode ${journal}): its lock is held after each restore, and it commits`,
    async () => {
      const folder = scratch("sqlite")
      const [base, ask] = [join(folder, "base"), join(folder, "ask")]
      const sql = (text: string) => run(["sh", "-c", `${sqlite} ${base} "${text}"`])
      const begin = "echo 'BEGIN IMMEDIATE; INSERT INTO t VALUES (2);'; echo '.print inserted'"
      const end = "echo 'COMMIT;'; echo '.print committed'"
      const feed = `${begin}; while ! [ -e ${ask} ]; do sleep .05; done; ${end}`
      await sql(`PRAGMA journal_mode=${journal}; CREATE TABLE t (x); INSERT INTO t VALUES (1)`)
      const tree = launch("sqlite", ["setsid", "sh", "-c", `{ ${feed}; } | ${sqlite} ${base}`])
      await waitFor("the transaction", () => tree.lines().includes("inserted"))
      const expectHeld = async () => {
        expect((await sql("BEGIN IMMEDIATE")).stderr).toContain("database is locked")
        expect((await sql("SELECT group_concat(x) FROM t")).stdout.trim()).toBe("1")
      }
      await expectHeld()
      await takeThrough(tree, { options: ["--file-locks"], check: expectHeld })
      writeFileSync(ask, "")
      await waitFor("the end", () => !alive(tree.pid))
      expect(tree.lines()).toEqual(["inserted", "committed"])
      expect((await sql("SELECT group_concat(x) FROM t; PRAGMA integrity_check")).stdout.trim()).toBe("1,2\nok")
    },
    LIMIT,
  )
}

test(
  "a pipeline with data in its pipes gives what an undisturbed one gives",
  async () => {
    const ask = join(scratch("ask"), "ask")
    const tree = launch("pipeline", [
      "setsid",
      "sh",
      "-c",
      `{ n=0; until [ -e ${ask} ]; do n=$((n + 1)); echo $n; done; echo lines $n >&2; } | sed 's/^/x/' |
       while read -r line; do echo $line; [ $line = x1 ] && echo READY >&2; done | sha256sum`,
    ])
    await waitFor("the first line", () => tree.lines().includes("READY"))
    await takeThrough(tree, { back: true })
    expect(tree.lines()).toEqual(["READY"])
    writeFileSync(ask, "")
    await waitFor("the end", () => !alive(tree.pid), 60)
    const [, lines = "", sum] = tree.lines()
    const { stdout } = await run(["sh", "-c", `seq 1 ${lines.split(" ")[1]} | sed 's/^/x/' | sha256sum`])
    expect(sum).toBe(stdout.trim())
  },
  LIMIT,
)

const tmux = find("tmux")

test.skipIf(!tmux)(
  "a tmux server with two windows whose client is detached: shells and screens go on",
  async () => {
    const folder = scratch("tmux")
    const socket = join(folder, "socket")
    const command = (text: string) => run(["sh", "-c", `${tmux} -u -S ${socket} ${text}`], { env: { TERM: "xterm", SHELL: "/bin/sh" } })
    const tree = launch("tmux", ["setsid", "sh", "-c", `exec ${tmux} -u -D -S ${socket} -f /dev/null`], { env: { SHELL: "/bin/sh" } })
    await waitFor("the socket", () => existsSync(socket))
    await command("new-session -d -s s -n one -x 80 -y 24 'sh'")
    await command("new-window -d -n two -t s 'sh'")
    const screen = async (window: string) => (await command(`capture-pane -p -S - -t s:${window}`)).stdout
    // What is typed while a shell starts is thrown away by tmux itself, in forkpty(3).
    for (const window of ["one", "two"]) {
      const end = performance.now() + 20_000
      while (!(await screen(window)).trim() && performance.now() < end) await Bun.sleep(50)
      expect(await screen(window)).toContain("#")
    }
    let turn = 0
    const type = async () => {
      turn++
      for (const window of ["one", "two"]) await command(`send-keys -t s:${window} 'n=$((n+1)); echo ${window}-$n' Enter`)
      for (const window of ["one", "two"]) {
        const end = performance.now() + 10_000
        while (!(await screen(window)).includes(`\n${window}-${turn}\n`) && performance.now() < end) await Bun.sleep(50)
        const printed = (await screen(window)).split("\n").filter((line) => line.startsWith(`${window}-`))
        expect(printed).toEqual(Array.from({ length: turn }, (_, index) => `${window}-${index + 1}`))
      }
    }
    await type()
    await takeThrough(tree, { check: type })
    expect((await command("list-windows -F '#{window_name} #{pane_width}x#{pane_height}'")).stdout.trim()).toBe("one 80x24\ntwo 80x24")
    await command("kill-server")
    await waitFor("the end", () => !alive(tree.pid))
  },
  LIMIT,
)
