import { afterEach, describe, expect, test } from "bun:test"
import { clockNow } from "../../src/kinds/clocks/now.ts"
import { collectDescriptors } from "../../src/kinds/files/collect.ts"
import { USUAL } from "../../src/kinds/files/keeping.ts"
import { REFUSED } from "../../src/kinds/files/socket/inet/modes.ts"
import { readChildren } from "../../src/proc/tasks.ts"
import { compileVictim } from "../harness/compile.ts"
import { waitFor } from "../harness/deadline.ts"
import { scratch } from "../harness/folders.ts"
import { alive, cleanUp, linkOf, stateOf, statusOf } from "../harness/process.ts"
import { skip } from "../harness/skip.ts"
import { openTerminal, type Terminal } from "../harness/terminal.ts"
import { dump, run, stasisTool, toldError } from "../harness/tool.ts"
import { isReady, start } from "../harness/victim.ts"
import { plainTable } from "../kinds/files/holder.ts"

afterEach(cleanUp)

const [STASIS = ""] = stasisTool.command
/** A shell with job control that runs one command as its foreground job, and says how it ended. */
const job = (command: string) => ["sh", "-c", `set -m; ${command}; echo "status $?"; exec sleep 600`]
const restoreJob = (images: string) => job(`${STASIS} restore -j -D ${images}`)

/** The job of a shell in a window, once it runs the program. */
const jobOf = (window: Terminal, program: string): Promise<number> =>
  waitFor(`${program} in ${window.path}`, () => readChildren(window.pid).find((pid) => linkOf(`/proc/${pid}/exe`)?.includes(program)))

/** The restored program runs, on its own. */
const back = (pid: number, program: string, window: Terminal) =>
  waitFor(`${program} to be back`, () => linkOf(`/proc/${pid}/exe`)?.includes(program) && statusOf(pid, "TracerPid") === "0").catch(
    (error) => {
      throw new Error(`${error.message}: the terminal says ${window.text()}`)
    },
  )

/** Nobody but a zombie has the PID any more; its shell reaps it. */
const gone = (pid: number) => waitFor(`the end of ${pid}`, () => linkOf(`/proc/${pid}/exe`) === undefined && !alive(pid))

describe("a shell's job goes on in another window", () => {
  test("cat: lines that are typed come back, ^C ends it", async () => {
    using first = openTerminal(job("cat"))
    const pid = await jobOf(first, "cat")
    first.type("one\n")
    await first.says(/one\r\none\r\n/)
    const images = scratch("cat")
    await dump(stasisTool, pid, images, "-j")
    await first.says(/status 137/)
    await gone(pid)

    using second = openTerminal(restoreJob(images))
    await back(pid, "cat", second)
    expect(linkOf(`/proc/${pid}/fd/0`)).toBe(second.path)
    second.type("two\n")
    await second.says(/two\r\ntwo\r\n/)
    expect(second.mode()).toEqual(first.mode()!)
    second.type("\x03")
    await gone(pid)
    await second.says(/status \d+/)
  })

  test("a program that draws: keys, its mode, the window's own size, ^C, and its end", async () => {
    const screen = compileVictim("screen")
    using first = openTerminal(job(screen), { rows: 30, columns: 90 })
    const pid = await jobOf(first, "screen")
    await first.says(/size 30 90/)
    const before = first.mode()
    const images = scratch("screen")
    await dump(stasisTool, pid, images, "-j")
    await gone(pid)

    using second = openTerminal(restoreJob(images), { rows: 50, columns: 132 })
    await back(pid, "screen", second)
    second.type("\r")
    await second.says(/key 13\r\n/)
    expect(second.mode()).toEqual(before!)
    second.type("x")
    await second.says(/^key 120\r\n/)
    second.type("q")
    await second.says(/key 113\r\nbye\r\nstatus 0/)
    expect(second.mode()).not.toEqual(before!)
  })

  test("python3 -i: variables, the line editor, ^C, and its exit status", async () => {
    const python = Bun.which("python3")
    if (!python) return skip("python3 is not installed")
    using first = openTerminal(job("python3 -i -q"))
    const pid = await jobOf(first, "python3")
    await first.says(/>>> /)
    first.type("x = 41\n")
    await first.says(/>>> /)
    const images = scratch("python")
    const before = first.mode()
    await dump(stasisTool, pid, images, "-j")
    await gone(pid)

    using second = openTerminal(restoreJob(images))
    await back(pid, "python", second)
    expect(second.mode()).toEqual(before!)
    second.type("print(x + 1)\n")
    await second.says(/42\r\n>>> /)
    second.type("\x03")
    await second.says(/KeyboardInterrupt/)
    second.type("import sys; sys.exit(7)\n")
    await second.says(/status 7/)
  })

  test("a program that runs another one in a terminal of its own", async () => {
    if (!Bun.which("python3")) return skip("python3 is not installed")
    // Its number is for the second window: the kernel hands out the lowest free one, and that of the inner terminal has to stay free.
    const spare = openTerminal(["sleep", "600"])
    using first = openTerminal(job(`python3 -c 'import pty; pty.spawn("/bin/cat")'`))
    const pid = await jobOf(first, "python3")
    // It throws away what was typed before it has taken the terminal.
    await waitFor("cat in the inner terminal", () => readChildren(pid).some((child) => linkOf(`/proc/${child}/exe`)?.includes("cat")))
    await waitFor("the outer terminal's mode", () => !((first.mode()?.c_lflag ?? 8) & 8))
    first.type("one\n")
    await first.says(/one\r\none\r\n/)
    const images = scratch("inner")
    await dump(stasisTool, pid, images, "-j")
    await gone(pid)

    spare[Symbol.dispose]()
    await gone(spare.pid)
    using second = openTerminal(restoreJob(images))
    await back(pid, "python", second)
    second.type("two\n")
    await second.says(/two\r\ntwo\r\n/)
    second.type("\x04")
    await second.says(/status 0/)
  })

  test("^Z suspends it together with stasis, fg brings both back, and the terminal is given back at the end", async () => {
    using first = openTerminal(job(compileVictim("screen")))
    const pid = await jobOf(first, "screen")
    await first.says(/size 24 80/)
    const images = scratch("suspended")
    await dump(stasisTool, pid, images, "-j")
    await gone(pid)

    const shell = `set -m; ${STASIS} restore -j -D ${images}; echo "paused $?"; sleep 1; fg; echo "status $?"; cat`
    using second = openTerminal(["sh", "-c", shell])
    await back(pid, "screen", second)
    expect(second.foreground()).toBe(pid)
    second.type("\x1a")
    await second.says(/paused 14\d/)
    expect(stateOf(pid)).toBe("T")
    await waitFor("the job in the foreground again", () => second.foreground() === pid && stateOf(pid) === "S")
    second.type("x")
    await second.says(/key 120/)
    second.type("q")
    await second.says(/bye\r\nstatus 0/)
    second.type("line\n")
    await second.says(/line\r\nline\r\n/)
  })

  test("a script without job control has its terminal again afterwards", async () => {
    using first = openTerminal(job("cat"))
    const pid = await jobOf(first, "cat")
    const images = scratch("script")
    await dump(stasisTool, pid, images, "-j")
    await gone(pid)
    using second = openTerminal(["sh", "-c", `${STASIS} restore -j -D ${images}; echo "status $?"; exec cat`])
    await back(pid, "cat", second)
    second.type("one\n")
    await second.says(/one\r\none\r\n/)
    second.type("\x04")
    await second.says(/status 0/)
    second.type("two\n")
    await second.says(/two\r\ntwo\r\n/)
  })

  test("the original goes on with --leave-running", async () => {
    using window = openTerminal(job("cat"))
    const pid = await jobOf(window, "cat")
    await dump(stasisTool, pid, scratch("running"), "-j", "-R")
    window.type("still\n")
    await window.says(/still\r\nstill\r\n/)
    expect(window.foreground()).toBe(pid)
  })

  test("is refused without --shell-job, and without a terminal to take over", async () => {
    using window = openTerminal(job("cat"))
    const pid = await jobOf(window, "cat")
    const images = scratch("refused")
    const plain = await run([STASIS, "dump", "--json", "-t", `${pid}`, "-D", images])
    expect(toldError(plain).code).toBe("E_UNSUPPORTED")
    await dump(stasisTool, pid, images, "-j")
    await gone(pid)
    expect(toldError(await run([STASIS, "restore", "--json", "-D", images])).code).toBe("E_USAGE")
    expect(toldError(await run(["setsid", STASIS, "restore", "--json", "-j", "-D", images])).code).toBe("E_RESTORE")
  })
})

test("the leader of a session takes a terminal that nobody controls", async () => {
  using first = openTerminal([compileVictim("screen")])
  await first.says(/size 24 80/)
  const images = scratch("leader")
  await dump(stasisTool, first.pid, images, "-j")
  await gone(first.pid)

  using second = openTerminal([STASIS, "restore", "-j", "-D", images], { control: false })
  await back(first.pid, "screen", second)
  second.type("\x03")
  await second.says(/interrupt/)
  expect(second.foreground()).toBe(first.pid)
  second.type("q")
  await second.says(/bye/)
})

for (const kind of ["input", "echoed", "shown", "lines"])
  test(`what is queued in a terminal is kept, and left to a program that goes on: ${kind}`, async () => {
    const victim = await start("ptys", { args: [kind] })
    if (!isReady(victim)) return
    // What is done with a running program before the freeze takes nothing out.
    const insider = { pid: victim.pid, threads: [victim.pid], group: victim.pid }
    const look = (stopped: boolean) =>
      collectDescriptors([insider], plainTable(), { ...USUAL, ...REFUSED, shellJob: false, stopped, clock: clockNow }).ttyData
    expect(look(false)).toEqual([])
    for (let round = 0; round < 5; round++) {
      const { stderr } = await dump(stasisTool, victim.pid, scratch(`queued-${round}`), "-R")
      expect(stderr).not.toMatch(/not kept/)
    }
    // Everybody who uses the terminal sleeps.
    expect(look(true).length).toBe(kind === "shown" ? 1 : 2)
    victim.ask()
    expect(await victim.answer()).toBe("OK")
  })
