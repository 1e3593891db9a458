import { afterAll, afterEach, expect, test } from "bun:test"
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { IPC } from "../../ffi/abi/ipc.ts"
import { attempt } from "../../ffi/syscall.ts"
import { readShm } from "../../src/proc/sysvipc.ts"
import { waitFor } from "../harness/deadline.ts"
import { scratch } from "../harness/folders.ts"
import { cleanUp } from "../harness/process.ts"
import { skip } from "../harness/skip.ts"
import { dump, must, restore, run, stasisTool } from "../harness/tool.ts"
import { launch, type Victim } from "../harness/victim.ts"
import { allGone, treeOf } from "../live/kin.ts"
import { LIMIT, takeThrough } from "./rounds.ts"

afterEach(cleanUp)

const VERSIONS = "/usr/lib/postgresql"
const versions = existsSync(VERSIONS) ? readdirSync(VERSIONS) : []
const programs = versions.map((version) => join(VERSIONS, version, "bin")).find((folder) => existsSync(join(folder, "psql")))
if (!programs) skip("PostgreSQL is not installed")

const NOBODY = 65534
/** It does not run as root. */
const asNobody = ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"]
const mine = ({ pid }: Pick<Victim, "pid">) => readShm().filter(({ cpid }) => cpid === pid)
let server = 0
afterAll(() => {
  for (const { id } of mine({ pid: server })) attempt("shmctl", id, IPC.RMID, 0)
})

const program = (name: string): string => join(programs ?? "", name)
const settings = ["listen_addresses=", "shared_buffers=4MB", "fsync=off"].flatMap((setting) => ["-c", setting])

/** A folder with a new data directory in it, both of who runs the server. */
async function prepare(base: string): Promise<{ folder: string; data: string }> {
  const folder = join(base, "work")
  mkdirSync(folder)
  chownSync(folder, NOBODY, NOBODY)
  const data = join(folder, "data")
  await must({ name: "initdb", command: [...asNobody, program("initdb")] }, "-N", "-D", data, "-U", "test", "-A", "trust")
  return { folder, data }
}

const client = (folder: string): string[] => [program("psql"), "-h", folder, "-U", "test", "-d", "postgres", "-qtA"]

async function ask(folder: string, sql: string): Promise<string> {
  const { stdout, stderr } = await run([...client(folder), "-c", sql])
  return (stdout || stderr).trim()
}

const serverOf = (data: string): number => Number(readFileSync(join(data, "postmaster.pid"), "utf8").split("\n")[0])

test.skipIf(!programs)(
  "PostgreSQL goes on with its data, and with the System V segment that keeps others from it, there or gone",
  async () => {
    const base = scratch("postgres")
    const { folder, data } = await prepare(base)
    const victim = launch("postgres", [...asNobody, "setsid", program("postgres"), "-D", data, "-k", folder, ...settings], { base })
    await waitFor("PostgreSQL", () => existsSync(join(folder, ".s.PGSQL.5432")) && victim.lines().some((line) => line.includes("ready to")))
    server = serverOf(data)
    expect(server).toBe(victim.pid)
    await ask(folder, "create table numbers as select generate_series(1, 1000) as number")
    for (const isGone of [false, true]) {
      const [segment] = mine(victim)
      if (!segment) throw new Error("PostgreSQL has no System V segment")
      const members = treeOf(victim.pid)
      await dump(stasisTool, victim.pid, victim.images)
      await allGone(members)
      if (isGone) attempt("shmctl", segment.id, IPC.RMID, 0)
      await restore(stasisTool, victim.images, "--verify")
      expect(mine(victim)).toMatchObject([{ id: segment.id, key: segment.key, uid: NOBODY, nattch: treeOf(victim.pid).length }])
      await ask(folder, "insert into numbers values (5)")
      expect(await ask(folder, "select count(*), sum(number) from numbers")).toBe(isGone ? "1002|500510" : "1001|500505")
      // Another one does not start beside it: it asks the segment.
      const second = await run([...asNobody, program("postgres"), "-D", data, "-k", folder])
      expect(second.stderr).toMatch(/lock file "postmaster.pid" already exists/)
    }
    process.kill(victim.pid, "SIGINT")
    await waitFor("its end", () => victim.lines().some((line) => line.includes("database system is shut down")))
    await waitFor("its segment's end", () => mine(victim).length === 0)
  },
  60_000,
)

test.skipIf(!programs)(
  "ten transactions that are open in PostgreSQL go on, and are committed",
  async () => {
    const base = scratch("postgres")
    const { folder, data } = await prepare(base)
    const quoted = (words: readonly string[]): string => words.map((word) => `'${word}'`).join(" ")
    const psql = quoted(client(folder))
    const tree = `
      ${quoted([program("postgres"), "-D", data, "-k", folder, ...settings])} &
      until ${psql} -c 'create table numbers (number int)' 2>/dev/null; do sleep 0.1; done
      for i in 0 1 2 3 4 5 6 7 8 9; do
        {
          echo "begin; insert into numbers values ($i);"; printf '%s\\n' '\\warn begun'
          until [ -e '${folder}/ask' ]; do sleep 0.1; done
          echo "insert into numbers values ($((i * 100))); commit;"; printf '%s\\n' '\\warn committed'
        } | ${psql} &
      done
      wait`
    const victim = launch("transactions", [...asNobody, "setsid", "sh", "-c", tree], { base })
    // psql writes a word and the end of its line apart: another one's word may come in between.
    const said = (word: string): number => victim.lines().join(" ").split(word).length - 1
    await waitFor("ten transactions", () => said("begun") === 10)
    server = serverOf(data)
    await takeThrough(victim, { check: async () => expect(await ask(folder, "select count(*) from numbers")).toBe("0") })
    writeFileSync(join(folder, "ask"), "")
    await waitFor("ten commits", () => said("committed") === 10)
    expect(await ask(folder, "select count(*), sum(number) from numbers")).toBe("20|4545")
    process.kill(server, "SIGINT")
    await waitFor("its end", () => victim.lines().some((line) => line.includes("database system is shut down")))
  },
  LIMIT,
)
