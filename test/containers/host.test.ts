/** What the machine does with a process inside a container, by the machine's number of it. */
import { afterAll, afterEach, describe, expect, test } from "bun:test"
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { waitFor } from "../harness/deadline.ts"
import { step } from "../harness/debian.ts"
import { discardAll, inside, scratch } from "../harness/folders.ts"
import { alive, cleanUp, linkOf, signal, statusOf } from "../harness/process.ts"
import { type Run, run, stasisTool, toldError, must as tool } from "../harness/tool.ts"
import { launch } from "../harness/victim.ts"
import { answer, carry, must, ready, type Shape, startContainer } from "./container.ts"
import { bareImage, busyboxImage, type Image, imageOrSkip, muslImage } from "./images.ts"

afterEach(cleanUp)
afterAll(discardAll)

const SPIN = ["/bin/rseqspin", "/work/ask", "/work"]
const KINDS: readonly (Shape & { title: string; image: () => Image })[] = [
  { title: "no shell, network, /sys, devices", image: bareImage, namespaces: "mpiunc", overlay: true, sys: false, nodes: ["null"] },
  { title: "a tmpfs on a read-only root", image: bareImage, readOnly: "64m" },
  { title: "PIDs of the machine", image: bareImage, namespaces: "miun", proc: "machine", overlay: true },
  { title: "musl", image: muslImage, overlay: true },
]

const stasis = (...words: string[]): Promise<Run> => run([...stasisTool.command, ...words])

/** Expects a refusal of this class. */
function refused(answered: Run, code: string): void {
  expect(toldError(answered)).toMatchObject({ code })
  expect(answered.status).toBe(code === "E_DIRECTORY" || code === "E_KERNEL" ? 6 : code === "E_OPTION_UNSUPPORTED" ? 2 : 3)
}

describe("a process in a container, by its PID outside", () => {
  for (const { title, image, ...shape } of KINDS)
    test(`${title}: inspected, planned, dumped to a directory outside, restored in another container`, async () => {
      const made = imageOrSkip(image, title)
      if (!made) return
      using first = await startContainer(made, shape, SPIN)
      await ready(first)
      const { outside, inside: number } = first.program()
      // It spins in a section, but is outside of it each time that it begins anew.
      let classes: string[] = []
      for (let look = 0; look < 20 && !classes.includes("abortable"); look++) {
        const { stdout } = await tool(stasisTool, "rseq", `${outside}`, "--json")
        classes = (JSON.parse(stdout) as { threads: { class: string }[] }).threads.map((thread) => thread.class)
      }
      expect(classes).toContain("abortable")
      const plan = JSON.parse((await tool(stasisTool, "plan", "-t", `${outside}`, "--json")).stdout) as { refusals: unknown[] }
      expect(plan.refusals).toEqual([])
      const folder = scratch("host")
      const images = join(folder, "images")
      await tool(stasisTool, "dump", `${outside}`, images, "-R", "--verify")
      expect(alive(outside)).toBe(true)
      const log = join(folder, "log")
      const script = '"$@" 7>"$0"'
      const dumping = ["dump", "-t", `${outside}`, "-D", images, "--pidfile", "pid", "-W", folder, "-o", log, "--status-fd", "7", "--json"]
      const ended = await run(["sh", "-c", script, join(folder, "status"), ...stasisTool.command, ...dumping])
      expect(ended).toMatchObject({ status: 0, stderr: "" })
      expect(JSON.parse(ended.stdout)).toMatchObject({ pid: number, imagesDir: images })
      expect(readFileSync(join(folder, "pid"), "utf8")).toBe(`${number}`)
      expect(readFileSync(log, "utf8")).toContain(`process ${outside} is process ${number} in its namespaces`)
      expect(statSync(join(folder, "status")).size).toBe(1)
      await waitFor("the end of the program", () => !existsSync(`/proc/${outside}`))
      using second = await startContainer(made, shape, [], 5000)
      carry(first, second)
      step(["cp", "-a", images, second.work], "/")
      await must(second, "/bin/stasis", "restore", "-d", "/work/images")
      expect(await answer(second)).toBe("OK")
    }, 120_000)

  test("a container in a container, from the outer one", async () => {
    const image = imageOrSkip(busyboxImage)
    if (!image) return
    const script = "mount -t proc proc /proc; rseqspin /work/ask /work </dev/null & wait"
    const unshare = ["/bin/busybox", "unshare", "-p", "-f", "-m", "-u", "sh", "-c", script]
    using container = await startContainer(image, { overlay: true }, ["/bin/env", "PATH=/bin", ...unshare])
    await ready(container)
    const number = (await must(container, "/bin/busybox", "pidof", "rseqspin")).stdout.trim()
    const planned = await must(container, "/bin/stasis", "plan", number)
    expect(planned.stdout).toEndWith(`A dump would succeed: stasis dump ${number}\n`)
    expect(planned.stderr).toContain("(pid, uts, mnt)")
    await must(container, "/bin/stasis", "dump", number, "/work/images", "-R", "--verify")
    expect((await must(container, "/bin/busybox", "ls", "/work/images")).stdout).toContain("inventory.img")
    expect(await answer(container)).toBe("OK")
  })

  test("is refused by name, and goes on, where there is no way: PID 1, options that name the outside, a missing directory", async () => {
    using container = await startContainer(bareImage(), { overlay: true }, SPIN)
    await ready(container)
    const { outside } = container.program()
    const images = join(scratch("refused"), "images")
    refused(await stasis("dump", "-t", `${container.pid}`, "-D", images, "--json"), "E_NAMESPACE")
    refused(await container.run("/bin/stasis", "dump", "-t", "1", "-D", "/work/images", "--json"), "E_NAMESPACE")
    refused(await stasis("dump", "-t", `${outside}`, "-D", images, "--json", "--action-script", "/bin/true"), "E_OPTION_UNSUPPORTED")
    refused(await stasis("dump", "-t", `${outside}`, "-D", join(images, "below"), "--json"), "E_DIRECTORY")
    expect([existsSync(images), alive(outside), alive(container.pid)]).toEqual([false, true, true])
    expect(await answer(container)).toBe("OK")
  })

  test("inside, a full disk, a read-only directory and no place for the log are told, and leave nothing", async () => {
    using container = await startContainer(bareImage(), { readOnly: "64k", sys: false, nodes: ["null"] }, SPIN)
    await ready(container)
    const { outside, inside: number } = container.program()
    const dumping = (...words: string[]) => container.run("/bin/stasis", "dump", `${number}`, ...words, "--json")
    const full = await dumping("/work/images")
    expect([full.status, toldError(full).code]).toEqual([6, "E_DISK_FULL"])
    refused(await dumping("/images"), "E_DIRECTORY")
    refused(await dumping("/work/images", "-W", "/", "-o", "log"), "E_DIRECTORY")
    expect(readdirSync(container.work).sort()).toEqual(["board", "output"])
    await tool(stasisTool, "dump", `${outside}`, inside(scratch("roomy"), "images"), "-R", "--verify")
    expect(await answer(container)).toBe("OK")
  })

  test("seccomp: what a container's profile hides from a tool inside is refused before the stop, and a dump from outside keeps it", async () => {
    using first = await startContainer(bareImage(), { overlay: true }, ["/bin/confine", ...SPIN])
    await ready(first)
    const { outside, inside: number } = first.program()
    const confined = ["/bin/confine", "/bin/stasis"]
    const plan = await first.run(...confined, "plan", `${number}`)
    expect(plan).toMatchObject({ status: 3, stdout: expect.stringContaining("under seccomp") })
    refused(await first.run(...confined, "dump", `${number}`, "/work/images", "--json"), "E_UNSUPPORTED")
    expect(statusOf(outside, "TracerPid")).toBe("0")
    const images = join(scratch("seccomp"), "images")
    await tool(stasisTool, "dump", `${outside}`, images)
    using second = await startContainer(bareImage(), { overlay: true }, [], 5000)
    carry(first, second)
    step(["cp", "-a", images, second.work], "/")
    expect((await must(second, "/bin/stasis", "restore", "-d", "/work/images", "--verify")).stderr).toBe("")
    expect(statusOf(second.program().outside, "Seccomp_filters")).toBe("1")
    expect(await answer(second)).toBe("OK")
  })

  test("a restore under seccomp tells that the tree stays under it", async () => {
    using container = await startContainer(bareImage(), { overlay: true }, SPIN)
    await ready(container)
    const { inside: number } = container.program()
    await must(container, "/bin/stasis", "dump", `${number}`, "/work/images")
    const restored = await must(container, "/bin/confine", "/bin/stasis", "restore", "-d", "/work/images")
    expect(restored.stderr).toContain("stasis is under seccomp itself")
    expect(statusOf(container.program().outside, "Seccomp_filters")).toBe("1")
    expect(await answer(container)).toBe("OK")
  })

  test("a tool that is killed in between leaves it running, and the one inside ends too", async () => {
    using container = await startContainer(bareImage(), { overlay: true }, SPIN)
    await ready(container)
    const { outside } = container.program()
    for (let round = 0; round < 10; round++) {
      const images = inside(scratch("killed"), "images")
      const dumping = Bun.spawn([...stasisTool.command, "dump", "-t", `${outside}`, "-D", images, "-R"], {
        stdio: ["ignore", "ignore", "ignore"],
      })
      await Bun.sleep(15 * round)
      signal(dumping.pid, "SIGKILL")
      await dumping.exited
    }
    expect(alive(outside)).toBe(true)
    const others = () => membersOf(container.pid).filter((pid) => pid !== container.pid && pid !== outside)
    await waitFor("the end of every tool", () => others().length === 0)
    await tool(stasisTool, "dump", "-t", `${outside}`, "-D", inside(scratch("after"), "images"), "-R", "--verify")
    expect(await answer(container)).toBe("OK")
  }, 60_000)

  test("a tool that is asked to stop ends when the one inside has undone, and as that does", async () => {
    using container = await startContainer(bareImage(), { overlay: true }, SPIN)
    await ready(container)
    const { outside } = container.program()
    const dumpInto = (images: string) =>
      Bun.spawn([...stasisTool.command, "dump", "-t", `${outside}`, "-D", images, "-R"], { stdio: ["ignore", "ignore", "ignore"] })
    const started = performance.now()
    await dumpInto(inside(scratch("whole"), "images")).exited
    const whole = performance.now() - started
    for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      const statuses: (number | null)[] = []
      // Too early nothing was begun, too late all is done: until a moment between was met, E_INTERRUPTED.
      for (let round = 0; round < 8 || (!statuses.includes(8) && round < 80); round++) {
        const images = inside(scratch("stopped"), "images")
        const dumping = dumpInto(images)
        await Bun.sleep(round < 8 ? (whole * round) / 7 : whole * (0.4 + 0.6 * Math.random()))
        signal(dumping.pid, name)
        await dumping.exited
        statuses.push(dumping.exitCode)
        expect(membersOf(container.pid).filter((pid) => pid !== container.pid && pid !== outside)).toEqual([])
        expect(existsSync(join(images, "inventory.img"))).toBe(dumping.exitCode === 0)
      }
      expect([name, statuses]).toEqual([name, expect.arrayContaining([8])])
    }
    expect(await answer(container)).toBe("OK")
  }, 60_000)
})

/** Processes in the PID namespace of another. */
const membersOf = (pid: number): number[] => {
  const wanted = linkOf(`/proc/${pid}/ns/pid`)
  return [...new Bun.Glob("[0-9]*").scanSync({ cwd: "/proc", onlyFiles: false })]
    .map(Number)
    .filter((other) => linkOf(`/proc/${other}/ns/pid`) === wanted)
}

test("a PID that stasis has got itself in a fresh container: what it says then helps", async () => {
  using first = await startContainer(bareImage(), { overlay: true }, ["/bin/forest", "/work/ask", "30"], 1)
  await ready(first)
  const { inside: number } = first.program()
  await must(first, "/bin/stasis", "dump", `${number}`, "/work/images")
  using second = await startContainer(bareImage(), { overlay: true }, [], 1)
  carry(first, second)
  const failed = await second.run("/bin/stasis", "restore", "-d", "/work/images", "--json")
  expect([failed.status, toldError(failed).code]).toEqual([7, "E_PID_TAKEN"])
  expect(toldError(failed).found).toContain("stasis itself")
  const [, last = "", file = ""] = /echo (\d+) >(\S+),/.exec(toldError(failed).next) ?? []
  await must(second, "/bin/stasis", "--version")
  const shell = Bun.spawnSync(["nsenter", "--target", `${second.pid}`, "--pid", "--", "sh", "-c", `echo ${last} >${file}`])
  expect(shell.exitCode).toBe(0)
  await must(second, "/bin/stasis", "restore", "-d", "/work/images")
  expect(await answer(second)).toBe("OK")
})

describe("what cannot be reached", () => {
  test("a process in a user namespace is refused by name, with the command that does it", async () => {
    const victim = launch("user", ["unshare", "--user", "--map-root-user", "sleep", "600"])
    await waitFor("a user namespace", () => linkOf(`/proc/${victim.pid}/ns/user`) !== linkOf("/proc/self/ns/user"))
    const answered = await stasis("dump", "-t", `${victim.pid}`, "-D", victim.images, "--json", "-j")
    refused(answered, "E_NAMESPACE")
    expect(toldError(answered).next).toContain(`nsenter -t ${victim.pid} -a stasis dump -t ${victim.pid}`)
    expect(alive(victim.pid)).toBe(true)
  })

  test("/proc of another PID namespace is told, whatever is asked", async () => {
    using container = await startContainer(bareImage(), { overlay: true, proc: "machine" }, SPIN)
    await ready(container)
    const { outside } = container.program()
    for (const words of [["dump", "301"], ["plan", "301"], ["rseq", "301"], ["restore", "/work"], ["check"]])
      refused(await container.run("/bin/stasis", ...words, "--json"), "E_KERNEL")
    refused(await stasis("dump", "-t", `${outside}`, "-D", join(scratch("wrong"), "images"), "--json"), "E_NAMESPACE")
    expect(await answer(container)).toBe("OK")
  })
})
