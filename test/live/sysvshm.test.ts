import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { cpSync, existsSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { IPC, SHM, shmidDs } from "../../ffi/abi/ipc.ts"
import { encode } from "../../ffi/layout.ts"
import { allocate, attempt, syscall } from "../../ffi/syscall.ts"
import { EXIT_STATUS } from "../../src/base/errors.ts"
import { readShm, type ShmRow } from "../../src/proc/sysvipc.ts"
import { cleanUp } from "../harness/process.ts"
import { dump, must, restore, run, stasisTool, toldError } from "../harness/tool.ts"
import { start, type Victim } from "../harness/victim.ts"
import { allGone, treeOf } from "./kin.ts"

const remove = (id: number): number => attempt("shmctl", id, IPC.RMID, 0)
let before: ReadonlySet<number>
beforeEach(() => {
  before = new Set(readShm().map(({ id }) => id))
})
afterEach(cleanUp)

const own = ({ pid }: Victim): ShmRow[] => readShm().filter(({ cpid }) => cpid === pid)
const keyed = (victim: Victim): ShmRow => {
  const row = own(victim).find(({ key }) => key !== 0)
  if (!row) throw new Error("the victim has no segment with a key")
  return row
}

/** A victim with two segments, dumped and gone. */
async function dumped(): Promise<{ victim: Victim; rows: ShmRow[]; row: ShmRow }> {
  const victim = await start("sysvshm", { args: ["kept"] })
  const [rows, row] = [own(victim), keyed(victim)]
  expect(rows.length).toBe(2)
  const members = treeOf(victim.pid)
  await dump(stasisTool, victim.pid, victim.images)
  await allGone(members)
  expect(keyed(victim).nattch).toBe(0)
  return { victim, rows, row }
}

async function refused(victim: Victim): Promise<ReturnType<typeof toldError>> {
  const failed = await run([...stasisTool.command, "restore", "--json", "-d", "-D", victim.images])
  expect(failed.status).toBe(EXIT_STATUS.E_RESTORE)
  expect(existsSync(`/proc/${victim.pid}`)).toBe(false)
  return toldError(failed)
}

async function well(victim: Victim): Promise<void> {
  await restore(stasisTool, victim.images, "--verify")
  victim.ask()
  expect(await victim.answer()).toBe("OK")
  expect(readShm().filter(({ id, nattch }) => !before.has(id) && nattch === 0)).toEqual([])
}

describe("System V shared memory", () => {
  test("that a process outside has attached too is refused, which names it; nothing is touched", async () => {
    const victim = await start("sysvshm", { args: ["kept"] })
    const { id, nattch } = keyed(victim)
    const address = syscall("shmat", id, 0, SHM.RDONLY)
    const told = toldError(await run([...stasisTool.command, "dump", "--json", `${victim.pid}`, victim.images]))
    expect(told.code).toBe("E_UNSUPPORTED")
    expect(told.found).toContain(`segment ${id} is System V shared memory that process ${process.pid} outside the tree has attached too`)
    expect(readdirSync(victim.images)).toEqual([])
    expect((await run([...stasisTool.command, "plan", `${victim.pid}`])).status).toBe(EXIT_STATUS.E_UNSUPPORTED)
    syscall("shmdt", address)
    const planned = await run([...stasisTool.command, "plan", `${victim.pid}`])
    expect(planned.status).toBe(0)
    expect(planned.stdout).toContain(`System V segment ${id} 63.9 KiB (60 KiB stored)`)
    expect(keyed(victim).nattch).toBe(nattch)
    victim.ask()
    expect(await victim.answer()).toBe("OK")
  })

  test("is made again with its ID, key and content when it is gone; show names it", async () => {
    const { victim, rows } = await dumped()
    for (const { id } of rows) remove(id)
    expect(own(victim)).toEqual([])
    expect((await must(stasisTool, "plan", victim.images, "--syscalls")).stdout).toContain("shmget(")
    expect((await must(stasisTool, "show", victim.images, "--image", "ipcns-shm-3")).stdout).toContain(`${rows[0]?.id}`)
    await well(victim)
  })

  test("that others use by the time of the restore is left alone", async () => {
    const { victim, row } = await dumped()
    const address = syscall("shmat", row.id, 0, SHM.RDONLY)
    const told = await refused(victim)
    expect(told.found).toBe("other processes use it: it has 1 attachments")
    expect((await run([...stasisTool.command, "plan", victim.images])).status).toBe(EXIT_STATUS.E_RESTORE)
    syscall("shmdt", address)
    await well(victim)
  })

  test("that was changed since, or is another one, is left alone", async () => {
    const { victim, rows, row } = await dumped()
    const memory = allocate(shmidDs.size)
    await Bun.sleep(1100)
    memory.bytes.set(encode(shmidDs, { uid: row.uid, gid: row.gid, mode: row.mode }))
    syscall("shmctl", row.id, IPC.SET, memory.address)
    // The victim made it, as a restore would have: so it is taken for it.
    expect(keyed(victim).ctime).toBeGreaterThan(row.ctime)
    memory.bytes.set(encode(shmidDs, { uid: row.uid, gid: row.gid, mode: 0o600 }))
    syscall("shmctl", row.id, IPC.SET, memory.address)
    expect((await refused(victim)).found).toBe("another segment has this ID: its mode was 640 and is 600")
    for (const { id } of rows) remove(id)
    const rival = syscall("shmget", row.key, 4096, IPC.CREAT | IPC.EXCL | 0o600)
    try {
      expect((await refused(victim)).found).toBe(`segment ${rival} has its key, 0x${row.key.toString(16)}`)
      writeFileSync("/proc/sys/kernel/shm_next_id", `${row.id}`)
      remove(rival)
      const other = syscall("shmget", row.key, Number(row.size), IPC.CREAT | IPC.EXCL | 0o640)
      expect(other).toBe(row.id)
      expect((await refused(victim)).found).toBe("another segment has this ID: it was made or changed since the dump")
      remove(other)
    } finally {
      remove(rival)
    }
    await well(victim)
  })

  test("is filled again when the same images are restored twice; a failed restore leaves none", async () => {
    const { victim, rows } = await dumped()
    for (const { id } of rows) remove(id)
    const script = join(victim.folder, "fails")
    writeFileSync(script, '#!/bin/sh\ntest "$CRTOOLS_SCRIPT_ACTION" != pre-resume\n', { mode: 0o755 })
    const failed = await run([...stasisTool.command, "restore", "-d", "-D", victim.images, "--action-script", script])
    expect(failed.status).toBe(EXIT_STATUS.E_SCRIPT)
    expect(own(victim)).toEqual([])
    await restore(stasisTool, victim.images)
    expect(own(victim).map(({ id }) => id)).toEqual(rows.map(({ id }) => id))
    const members = treeOf(victim.pid)
    for (const pid of members) process.kill(pid, "SIGKILL")
    await allGone(members)
    await well(victim)
  })

  test("a spoilt set is refused by name, and nothing of it comes to life", async () => {
    const { victim, rows } = await dumped()
    const id = rows[0]?.id
    for (const [name, code, found] of [
      ["ipcns-shm-3.img", "E_IMAGE_CORRUPT", "which ipcns-shm.img does not have"],
      [`pagemap-shmem-${id}.img`, "E_IMAGE_MISSING", `pagemap-shmem-${id}.img`],
    ] as const) {
      const copy = join(victim.folder, `without ${name}`)
      cpSync(victim.images, copy, { recursive: true })
      rmSync(join(copy, name))
      const failed = await run([...stasisTool.command, "restore", "--json", "-d", "-D", copy])
      expect(toldError(failed).code).toBe(code)
      expect(failed.stderr).toContain(found)
      expect(existsSync(`/proc/${victim.pid}`)).toBe(false)
    }
    expect(own(victim).map(({ nattch }) => nattch)).toEqual([0, 0])
    await well(victim)
  })

  test("a restore that is killed leaves no more than segments of its own, which the next one fills", async () => {
    const { victim, rows } = await dumped()
    const command = [...stasisTool.command, "restore", "-d", "-D", victim.images]
    for (const { id } of rows) remove(id)
    const { milliseconds } = await run(command)
    const members = treeOf(victim.pid)
    for (const pid of members) process.kill(pid, "SIGKILL")
    await allGone(members)
    for (let moment = 1; moment < 12; moment++) {
      for (const { id } of own(victim)) remove(id)
      const tool = Bun.spawn(command, { stdin: "ignore", stdout: "ignore", stderr: "ignore" })
      await Bun.sleep((moment / 12) * milliseconds)
      tool.kill("SIGKILL")
      await tool.exited
      // It may have let the tree go by then.
      const left = existsSync(`/proc/${victim.pid}`) ? treeOf(victim.pid) : []
      for (const pid of left) attempt("kill", pid, 9)
      await allGone([...left, victim.pid])
      for (const { id, nattch } of own(victim)) {
        expect(rows.map((row) => row.id)).toContain(id)
        expect(nattch).toBe(0)
      }
    }
    await well(victim)
  })
})
