import { afterEach, describe, expect, test } from "bun:test"
import { readChildren } from "../../src/proc/tasks.ts"
import { waitFor } from "../harness/deadline.ts"
import { scratch } from "../harness/folders.ts"
import { alive, cleanUp, linkOf, signal, statusOf } from "../harness/process.ts"
import { skip } from "../harness/skip.ts"
import { openTerminal, type Terminal } from "../harness/terminal.ts"
import { dump, stasisTool } from "../harness/tool.ts"

afterEach(cleanUp)

const [STASIS = ""] = stasisTool.command

/** Interactive shells that lead the session of their terminal. dash has /dev/tty open, bash has not. */
const SHELLS = { dash: ["dash", "-i"], bash: ["bash", "--norc", "--noediting", "-i"] } as const

/** A shell in a window of its own, dumped and gone. */
async function dumpShell(name: keyof typeof SHELLS, background = "sleep 600"): Promise<{ pid: number; images: string } | undefined> {
  const [path, ...words] = SHELLS[name]
  if (!Bun.which(path)) return void skip(`${path} is not installed`)
  using first = openTerminal([path, ...words])
  first.type(`X=kept41; ${background} & echo one-$X\n`)
  await first.says(/one-kept41\r\n/)
  const images = scratch(name)
  await dump(stasisTool, first.pid, images, "-j")
  await waitFor(`the end of ${first.pid}`, () => !alive(first.pid))
  return { pid: first.pid, images }
}

const back = (pid: number, window: Terminal) =>
  waitFor(`${pid} to be back`, () => linkOf(`/proc/${pid}/exe`) !== undefined && statusOf(pid, "TracerPid") === "0").catch((error) => {
    throw new Error(`${error.message}: the terminal says ${window.text()}`)
  })

/** A program is in the foreground and has been executed: until then what the shell does with signals holds for it. */
const inFront = (window: Terminal, program: string) =>
  waitFor(`${program} in the foreground`, () => linkOf(`/proc/${window.foreground() ?? 0}/exe`)?.endsWith(program))

describe("a shell that leads its session", () => {
  for (const name of ["dash", "bash"] as const)
    test(`${name} gets the terminal that stasis leads, with ^C, ^Z and fg, and stasis ends with its status`, async () => {
      const saved = await dumpShell(name)
      if (!saved) return
      const { pid, images } = saved
      using second = openTerminal([STASIS, "restore", "-j", "-D", images])
      await back(pid, second)
      second.type("echo two-$X\n")
      await second.says(/two-kept41\r\n/)
      await waitFor("the shell in the foreground", () => second.foreground() === pid)
      second.type("jobs; sleep 500\n")
      await second.says(/Running +sleep 600/)
      await inFront(second, "sleep")
      second.type("\x1a")
      await second.says(/Stopped/)
      second.type("fg\n")
      await inFront(second, "sleep")
      second.type("\x03")
      await waitFor("the shell in the foreground", () => second.foreground() === pid)
      second.type("kill %1; exit 7\n")
      await waitFor("the end of the shell", () => !alive(pid))
      await waitFor("the end of stasis", () => !alive(second.pid))
    })

  test("dash gets it with a subshell, which shares its /dev/tty", async () => {
    const saved = await dumpShell("dash", "(while :; do sleep 0.1; done)")
    if (!saved) return
    const { pid, images } = saved
    using second = openTerminal([STASIS, "restore", "-j", "-D", images])
    await back(pid, second)
    const both = () => [pid, ...readChildren(pid)].filter((one) => linkOf(`/proc/${one}/fd/10`) === "/dev/tty").length >= 2
    await waitFor("the shell and its subshell with their terminal", both)
    second.type("kill $!; exit\n")
    await waitFor("the end of stasis", () => !alive(pid) && !alive(second.pid))
  })

  test("dash, which has /dev/tty open, is refused before anything is made while another shell leads the terminal", async () => {
    const saved = await dumpShell("dash")
    if (!saved) return
    using second = openTerminal(["sh", "-c", `${STASIS} restore --json -j -D ${saved.images}; echo "status $?"; cat`])
    await second.says(/status 5|status \d+/)
    expect(second.text()).toContain('"code":"E_RESTORE"')
    expect(second.text()).toContain(`controls the session of process ${second.pid}, and not that of process ${saved.pid}"`)
    expect(alive(saved.pid)).toBe(false)
    second.type("still\n")
    await second.says(/still\r\nstill\r\n/)
  })

  test("bash comes back there without control, which is a warning, and plan says it before", async () => {
    const saved = await dumpShell("bash")
    if (!saved) return
    const { pid, images } = saved
    using second = openTerminal([
      "sh",
      "-c",
      `${STASIS} plan -j -D ${images}; echo planned; ${STASIS} restore -d -j -D ${images}; echo "status $?"; cat`,
    ])
    await second.says(/status 0/)
    const warned = new RegExp(`controls the session of process ${second.pid}, and not that of process ${pid}: \\^C`, "g")
    expect(second.text().match(warned)).toHaveLength(2)
    expect(statusOf(pid, "TracerPid")).toBe("0")
    for (const one of [...readChildren(pid), pid]) signal(one, "SIGKILL")
  })
})
