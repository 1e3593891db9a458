import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { join } from "node:path"
import { readCoredumpFilterIfAlive, readLoginUidIfAlive, readOomScoreAdj } from "../../src/proc/attributes.ts"
import { readCgroups } from "../../src/proc/cgroup.ts"
import { readDescriptorsIfAlive } from "../../src/proc/descriptors.ts"
import { epollTargets } from "../../src/proc/epoll.ts"
import { readFdInfo } from "../../src/proc/fdinfo.ts"
import { readLimits } from "../../src/proc/limits.ts"
import { readExeIfAlive, readNamespaces } from "../../src/proc/links.ts"
import { fileLocks } from "../../src/proc/locks.ts"
import { readMaps } from "../../src/proc/maps.ts"
import { inotifyWatches } from "../../src/proc/notify.ts"
import { PF_KTHREAD } from "../../src/proc/source.ts"
import { readStat, readStatIfAlive } from "../../src/proc/stat.ts"
import { readStatus } from "../../src/proc/status.ts"
import { kernelChildren, listProcesses, listThreads, listThreadsIfAlive, readChildren, readCommIfAlive } from "../../src/proc/tasks.ts"
import { timerfdState } from "../../src/proc/timerfd.ts"
import { readTimers } from "../../src/proc/timers.ts"
import { type Compiled, compile, hasCompiler } from "../elf/compile.ts"

/** What holder.c prints: descriptor numbers, a mapping, a thread and a child. */
interface Held {
  readonly file: number
  readonly shared: string
  readonly watcher: number
  readonly event: number
  readonly poll: number
  readonly signals: number
  readonly timer: number
  readonly thread: number
  readonly child: number
}

describe.skipIf(!hasCompiler)("readers, of a live program", () => {
  let program: Compiled
  let holder: Bun.Subprocess<"pipe", "pipe", "inherit">
  let held: Held
  let pid: number

  beforeAll(async () => {
    program = compile(join(import.meta.dir, "holder.c"), "-pthread")
    holder = Bun.spawn([program.path, "", "two words"], { stdin: "pipe", stdout: "pipe", stderr: "inherit", cwd: "/", env: { A: "1" } })
    const line = await holder.stdout.getReader().read()
    held = JSON.parse(new TextDecoder().decode(line.value)) as Held
    pid = holder.pid
  })

  afterAll(async () => {
    holder.stdin.end()
    await holder.exited
    program[Symbol.dispose]()
    expect(listThreadsIfAlive(pid)).toBeNull()
    expect(readDescriptorsIfAlive(pid)).toBeNull()
  })

  test("listThreads and readChildren find all tasks", () => {
    expect(listThreads(pid)).toEqual([pid, held.thread].sort((a, b) => a - b))
    expect(readChildren(pid)).toEqual([held.child])
    expect(listProcesses()).toContain(pid)
    // In a PID namespace of our own there are none.
    const [first, ...others] = kernelChildren()
    expect(others).not.toContain(pid)
    if (first !== undefined) expect((readStatIfAlive(first)?.flags ?? 0) & PF_KTHREAD).toBe(PF_KTHREAD)
  })

  test("readStatus and readStat agree on a name full of traps", () => {
    expect(readStatus(pid, held.thread)).toMatchObject({ name: ") R (\n\\", pid: held.thread, tgid: pid, threads: 2, umask: 0o035 })
    expect(readStat(pid, held.thread)).toMatchObject({ comm: ") R (\n\\", pid: held.thread, ppid: process.pid })
    expect(readCommIfAlive(pid, held.thread)).toBe(") R (\n\\")
    expect(readStatus(pid).sigPending).toBe(1n << 9n)
    expect(readStatus(pid).sigBlocked).toBe((1n << 9n) | (1n << 63n))
  })

  test("readMaps shows the deleted file", () => {
    const mapping = readMaps(pid).find(({ start }) => start === BigInt(held.shared))
    expect(mapping).toMatchObject({ shared: true, write: true, offset: 4096n, deleted: true, path: `${program.path} new\nline` })
  })

  test("readDescriptorsIfAlive names every descriptor", () => {
    const targets = new Map(readDescriptorsIfAlive(pid)?.map(({ fd, target }) => [fd, target]))
    expect(targets.get(held.event)).toBe("anon_inode:[eventfd]")
    expect(targets.get(held.poll)).toBe("anon_inode:[eventpoll]")
    expect(targets.get(held.file)).toBe(`${program.path} new\nline (deleted)`)
  })

  test("readFdInfo reads file, locks, eventfd and epoll", () => {
    const file = readFdInfo(pid, held.file)
    expect(file).toMatchObject({ pos: 77n })
    expect(fileLocks(file).map(({ kind, access, start, end, pid }) => [kind, access, start, end, pid])).toEqual([
      ["FLOCK", "READ", 0n, null, pid],
      ["POSIX", "WRITE", 10n, 19n, pid],
    ])
    expect(readFdInfo(pid, held.event).hex("eventfd-count")).toBe(0x1234n)
    const targets = epollTargets(readFdInfo(pid, held.poll))
    expect(targets.map(({ data }) => data).sort()).toEqual(Array.from({ length: 32 }, (_, i) => 0xfffffffffffff000n + BigInt(i)))
    expect(targets[0]?.events).toBe(0x80000019)
  })

  test("readFdInfo reads signalfd, timerfd and inotify", () => {
    expect(readFdInfo(pid, held.signals).hex("sigmask")).toBe((1n << 9n) | (1n << 63n))
    const timer = timerfdState(readFdInfo(pid, held.timer))
    expect(timer).toMatchObject({ clockId: 1, ticks: 0n, settimeFlags: 0, interval: { seconds: 2n, nanoseconds: 3n } })
    expect(Number(timer.value.seconds)).toBeWithin(900, 1000)
    expect(inotifyWatches(readFdInfo(pid, held.watcher))[0]).toMatchObject({ wd: 1, mask: 0x100 })
  })

  test("readLimits and readTimers see what was set", () => {
    expect(readLimits(pid)[7]).toEqual({ soft: 100n, hard: 200n })
    expect(readTimers(pid)).toEqual([
      { id: 0, signal: 12, value: 0x1234567890n, notify: "signal", target: "pid", targetId: pid, clockId: 0 },
    ])
  })

  test("links and attributes are read", () => {
    expect(readExeIfAlive(pid)).toEqual({ path: program.path, deleted: false })
    expect(readNamespaces(pid).get("mnt")).toBe(readNamespaces(process.pid).get("mnt"))
    expect(readOomScoreAdj(pid)).toBe(readOomScoreAdj(process.pid))
    expect(readCoredumpFilterIfAlive(pid)).toBe(readCoredumpFilterIfAlive(process.pid))
    expect(readLoginUidIfAlive(pid)).toBe(readLoginUidIfAlive(process.pid))
    expect(readCgroups(pid)).toEqual(readCgroups(process.pid))
  })
})

test("a zombie has a status, no mappings and no executable", () => {
  const parent = Bun.spawn(["sh", "-c", "true & exec sleep 5"])
  const zombieOf = () => listThreadsIfAlive(parent.pid) && readChildren(parent.pid).find((pid) => readStatus(pid).state === "Z")
  let zombie = zombieOf()
  for (let tries = 0; zombie === undefined && tries < 1000; tries++) {
    Bun.sleepSync(1)
    zombie = zombieOf()
  }
  if (!zombie) throw new Error("no zombie")
  expect(readStatus(zombie)).toMatchObject({ umask: null, vmSize: 0 })
  expect(readMaps(zombie)).toEqual([])
  expect(readExeIfAlive(zombie)).toBeNull()
  parent.kill("SIGKILL")
})
