import { afterAll, afterEach, expect, test } from "bun:test"
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { IPC } from "../../ffi/abi/ipc.ts"
import { attempt } from "../../ffi/syscall.ts"
import { readShm } from "../../src/proc/sysvipc.ts"
import { waitFor } from "../harness/deadline.ts"
import { scratch } from "../harness/folders.ts"
import { cleanUp } from "../harness/process.ts"
import { dump, must, restore, run, stasisTool } from "../harness/tool.ts"
import { launch, type Victim } from "../harness/victim.ts"
import { allGone, treeOf } from "./kin.ts"

afterEach(cleanUp)

const VERSIONS = "/usr/lib/postgresql"
const versions = existsSync(VERSIONS) ? readdirSync(VERSIONS) : []
const programs = versions.map((version) => join(VERSIONS, version, "bin")).find((folder) => existsSync(join(folder, "psql")))
if (!programs) console.log("skipped: PostgreSQL is not installed")

const NOBODY = 65534
/** It does not run as root. */
const asNobody = ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"]
const mine = ({ pid }: Pick<Victim, "pid">) => readShm().filter(({ cpid }) => cpid === pid)
let server = 0
afterAll(() => {
  for (const { id } of mine({ pid: server })) attempt("shmctl", id, IPC.RMID, 0)
})

test.skipIf(!programs)(
  "PostgreSQL goes on with its data, and with the System V segment that keeps others from it, there or gone",
  async () => {
    const base = scratch("postgres")
    const folder = join(base, "work")
    mkdirSync(folder)
    chownSync(folder, NOBODY, NOBODY)
    const data = join(folder, "data")
    const program = (name: string): string => join(programs ?? "", name)
    await must({ name: "initdb", command: [...asNobody, program("initdb")] }, "-N", "-D", data, "-U", "test", "-A", "trust")
    const settings = ["listen_addresses=", "shared_buffers=4MB", "fsync=off"].flatMap((setting) => ["-c", setting])
    const victim = launch("postgres", [...asNobody, "setsid", program("postgres"), "-D", data, "-k", folder, ...settings], { base })
    const ask = async (sql: string): Promise<string> => {
      const { stdout, stderr } = await run([program("psql"), "-h", folder, "-U", "test", "-d", "postgres", "-tAc", sql])
      return (stdout || stderr).trim()
    }
    await waitFor("PostgreSQL", () => existsSync(join(folder, ".s.PGSQL.5432")) && victim.lines().some((line) => line.includes("ready to")))
    server = Number(readFileSync(join(data, "postmaster.pid"), "utf8").split("\n")[0])
    expect(server).toBe(victim.pid)
    await ask("create table numbers as select generate_series(1, 1000) as number")
    for (const isGone of [false, true]) {
      const [segment] = mine(victim)
      if (!segment) throw new Error("PostgreSQL has no System V segment")
      const members = treeOf(victim.pid)
      await dump(stasisTool, victim.pid, victim.images)
      await allGone(members)
      if (isGone) attempt("shmctl", segment.id, IPC.RMID, 0)
      await restore(stasisTool, victim.images, "--verify")
      expect(mine(victim)).toMatchObject([{ id: segment.id, key: segment.key, uid: NOBODY, nattch: treeOf(victim.pid).length }])
      await ask("insert into numbers values (5)")
      expect(await ask("select count(*), sum(number) from numbers")).toBe(isGone ? "1002|500510" : "1001|500505")
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
