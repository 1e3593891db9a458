import { afterEach, describe, expect, test } from "bun:test"
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { type ErrorCode, EXIT_STATUS } from "../../src/base/errors.ts"
import { waitFor } from "../harness/deadline.ts"
import { scratch } from "../harness/folders.ts"
import { alive, cleanUp, statusOf } from "../harness/process.ts"
import { skip } from "../harness/skip.ts"
import { dump, type Run, run, stasisTool, toldError } from "../harness/tool.ts"
import { isReady, start, type Victim } from "../harness/victim.ts"
import { fingerprint } from "./images.ts"
import { treeOf } from "./kin.ts"
import { mountTmpfs } from "./tmpfs.ts"

afterEach(cleanUp)

/** A dump with --json. */
const tryDump = (...args: string[]): Promise<Run> => run([...stasisTool.command, "dump", "--json", ...args])

/** Expects a failure with one of these codes, and the exit status that belongs to it. */
function expectRefused(result: Run, ...codes: ErrorCode[]): ReturnType<typeof toldError> {
  const told = toldError(result)
  expect(codes as string[]).toContain(told.code)
  expect(result.status).toBe(EXIT_STATUS[told.code as ErrorCode])
  expect([told.found, told.next]).not.toContain("")
  return told
}

/** Nobody traces or stops the victim any more, and it finds itself well. */
async function expectUntouched(victim: Victim): Promise<void> {
  expect(statusOf(victim.pid, "TracerPid")).toBe("0")
  expect(statusOf(victim.pid, "State")).not.toMatch(/^[tTZ]/)
  victim.ask()
  expect(await victim.answer()).toBe("OK")
}

/** A dump refuses what the victim holds, leaves no image and the victim as it was. */
async function expectUnsupported(victim: Victim): Promise<ReturnType<typeof toldError>> {
  const told = expectRefused(await tryDump("-t", `${victim.pid}`, "-D", victim.images), "E_UNSUPPORTED")
  expect(readdirSync(victim.images)).toEqual([])
  await expectUntouched(victim)
  return told
}

describe("dump refuses a wrong command line and touches nothing", () => {
  const cases: readonly (readonly [string, readonly string[], ErrorCode])[] = [
    ["no PID", [], "E_USAGE"],
    ["a PID that is no number", ["-t", "twelve"], "E_USAGE"],
    ["PID 0", ["-t", "0"], "E_USAGE"],
    ["a negative PID", ["--tree=-5"], "E_USAGE"],
    ["an unknown option", ["-t", "1", "--frobnicate"], "E_USAGE"],
    ["an option of CRIU that is not there", ["-t", "1", "--lazy-pages"], "E_OPTION_UNSUPPORTED"],
  ]
  for (const [title, args, code] of cases)
    test(title, async () => {
      const images = scratch("usage")
      expectRefused(await tryDump(...args, "-D", images), code)
      expect(readdirSync(images)).toEqual([])
    })
})

describe("dump refuses a target", () => {
  test("that does not exist", async () => {
    expectRefused(await tryDump("-t", "4194000", "-D", scratch("none")), "E_NO_PROCESS")
  })
  test("that is the tool itself", async () => {
    const [program = ""] = stasisTool.command
    expectRefused(await run(["sh", "-c", `exec "${program}" dump --json -t $$ -D "${scratch("self")}"`]), "E_SELF")
  })
  for (const what of ["files", "fs", "vm", "sighand"])
    test(`that shares something with its parent, which is not asked for: ${what}`, async () => {
      const victim = await start("sharers", { args: [what, "{folder}"] })
      const [child = 0] = treeOf(victim.pid).filter((pid) => pid !== victim.pid)
      const { found } = toldError(await tryDump("-t", `${child}`, "-D", victim.images))
      expect(found).toContain(`with process ${victim.pid}, which is outside the tree`)
      await expectUntouched(victim)
    })
  test("that shares something with a process whose first thread has ended", async () => {
    const victim = await start("sharers", { args: ["files", "{folder}", "headless"] })
    const [child = 0] = treeOf(victim.pid).filter((pid) => pid !== victim.pid)
    const { found } = toldError(await tryDump("-t", `${child}`, "-D", victim.images))
    expect(found).toContain(`sharing its descriptor table with process ${victim.pid}, which is outside the tree`)
    // It cannot say that it is well: kcmp(2) of its first thread finds nothing any more.
    expect(statusOf(child, "TracerPid")).toBe("0")
    expect(statusOf(child, "State")).not.toMatch(/^[tTZ]/)
  })
  test("that is an ancestor of the tool", async () => {
    const [program = ""] = stasisTool.command
    // Not this process: a tool that does not refuse would kill the test.
    const parent = await run(["sh", "-c", `"${program}" dump --json -t $$ -D "${scratch("parent")}"; exit $?`])
    expectRefused(parent, "E_SELF", "E_UNSUPPORTED")
  })
  // A PID namespace of its own has none.
  test.skipIf(statusOf(2, "Name") !== "kthreadd")("that is a kernel thread", async () => {
    expectRefused(await tryDump("-t", "2", "-D", scratch("kernel")), "E_KERNEL_THREAD")
  })
  test("that is a thread, not a process", async () => {
    const victim = await start("threads")
    const tid = readdirSync(`/proc/${victim.pid}/task`).find((name) => name !== `${victim.pid}`)
    expectRefused(await tryDump("-t", tid ?? "", "-D", victim.images), "E_NO_PROCESS", "E_USAGE", "E_UNSUPPORTED")
    await expectUntouched(victim)
  })
  test("that another process traces", async () => {
    const victim = await start("traced")
    const child = victim.lines()[0]?.replace("CHILD ", "") ?? ""
    const told = await tryDump("-t", child, "-D", victim.images)
    expect(expectRefused(told, "E_TRACED").found).toBe(`it is traced by process ${victim.pid} ("${statusOf(victim.pid, "Name")}")`)
    expect(readdirSync(victim.images)).toEqual([])
    victim.ask()
    expect(await victim.answer()).toBe("OK")
  })
  const kinds = ["socket", "watch without a handle", "pidfd of init", "netlink with messages", "pipe to outside", "ended leader"]
  for (const kind of [...kinds, "ended process", "mount attached nowhere", "gone device", "dispatched calls", "outer timer", "ldt"])
    test(`that holds what is not supported: ${kind}`, async () => {
      const victim = await start("unsupported", { args: [kind] })
      if (!isReady(victim)) return
      const { next } = await expectUnsupported(victim)
      if (kind.startsWith("mount")) expect(next).toMatch(/; or give --external 'file\[[0-9a-f]+:[0-9a-f]+\]' at dump and --inherit-fd /)
    })
})

for (const limit of ["data", "address space"])
  test(`dump refuses a limit of ${limit} that leaves no room for what it borrows`, async () => {
    const victim = await start("tight", { args: [limit] })
    await expectUnsupported(victim)
  })

test("dump refuses a seccomp filter with a listener, which it sees only in the freeze", async () => {
  const victim = await start("seccomp", { args: ["listener"] })
  await expectUnsupported(victim)
})

describe("dump refuses a directory and leaves the target well", () => {
  const cases: readonly (readonly [string, (victim: Victim) => string, readonly ErrorCode[]])[] = [
    ["whose parent does not exist", ({ images }) => join(images, "missing/deeper"), ["E_DIRECTORY"]],
    [
      "that is a file",
      ({ images }) => {
        writeFileSync(join(images, "file"), "")
        return join(images, "file")
      },
      ["E_DIRECTORY"],
    ],
    ["that is in /proc", () => "/proc/self", ["E_DIRECTORY", "E_IO"]],
  ]
  for (const [title, directory, codes] of cases)
    test(title, async () => {
      const victim = await start("threads")
      expectRefused(await tryDump("-t", `${victim.pid}`, "-D", directory(victim)), ...codes)
      await expectUntouched(victim)
    })

  test("that nobody may write", async () => {
    const victim = await start("threads")
    chmodSync(victim.images, 0o500)
    using mounted = mountTmpfs("ro,size=1m")
    if (!mounted) return skip("a read-only directory: mount is not allowed here")
    expectRefused(await tryDump("-t", `${victim.pid}`, "-D", mounted.path), "E_DIRECTORY", "E_IO", "E_PERMISSION")
    await expectUntouched(victim)
  })

  test("on a disk that is full, and keeps the older complete set", async () => {
    using mounted = mountTmpfs("size=6m")
    if (!mounted) return skip("a full disk: mount is not allowed here")
    const first = await start("heap")
    const images = join(mounted.path, "images")
    mkdirSync(images)
    await dump(stasisTool, first.pid, images, "--leave-running")
    const before = fingerprint(images)
    const victim = await start("memory", { args: ["32"] })
    expectRefused(await tryDump("-t", `${victim.pid}`, "-D", images), "E_DISK_FULL")
    expect(alive(victim.pid)).toBe(true)
    expect(fingerprint(images)).toEqual(before)
    await expectUntouched(victim)
    await expectUntouched(first)
  })

  test("in which another dump writes, from its beginning on", async () => {
    const [first, second] = [await start("heap"), await start("heap")]
    const script = join(first.folder, "wait.sh")
    const [begun, go] = [join(first.folder, "begun"), join(first.folder, "go")]
    const waiting = `[ "$CRTOOLS_SCRIPT_ACTION" = pre-dump ] || exit 0; : > ${begun}; for i in $(seq 300); do [ -e ${go} ] && exit 0; sleep 0.1; done; exit 1`
    writeFileSync(script, `#!/bin/sh\n${waiting}\n`, { mode: 0o755 })
    const winner = dump(stasisTool, first.pid, first.images, "--leave-running", "--action-script", script)
    try {
      await waitFor("the first dump", () => existsSync(begun))
      const result = await tryDump("-t", `${second.pid}`, "-D", first.images, "--leave-running")
      expectRefused(result, "E_DIRECTORY")
      await expectUntouched(second)
    } finally {
      writeFileSync(go, "")
      await winner
    }
    expect(readdirSync(first.images)).toContain(`core-${first.pid}.img`)
    expect(readdirSync(first.images)).not.toContain(`core-${second.pid}.img`)
    await expectUntouched(first)
  })

  test("after a refusal the older complete set is as it was", async () => {
    const first = await start("heap")
    await dump(stasisTool, first.pid, first.images, "--leave-running")
    const before = fingerprint(first.images)
    const victim = await start("unsupported", { args: ["socket"] })
    expectRefused(await tryDump("-t", `${victim.pid}`, "-D", first.images), "E_UNSUPPORTED")
    expect(fingerprint(first.images)).toEqual(before)
    await expectUntouched(victim)
    await expectUntouched(first)
  })
})

describe("dump names who has the other end of a unix socket", () => {
  test("a peer outside, and what to do", async () => {
    const victim = await start("unsupported", { args: ["socket"] })
    const holder = victim.members().find((pid) => pid !== victim.pid)
    const told = toldError(await tryDump("-t", `${victim.pid}`, "-D", victim.images))
    expect(told.found).toContain(`a unix stream socket connected to task ${holder}, which is not part of the dump`)
    expect(told.found).toContain(`a unix dgram socket connected to task ${holder}`)
    await expectUntouched(victim)
  })

  test("a client outside that waits to be accepted", async () => {
    const victim = await start("unixnames", { args: ["listen", "{folder}"] })
    const client = await Bun.connect({ unix: join(victim.folder, "plain"), socket: { data() {} } })
    const told = toldError(await tryDump("-t", `${victim.pid}`, "-D", victim.images))
    expect(told.found).toContain(`with a client that it has not accepted, of task ${process.pid}, which is not part of the dump`)
    expect(readdirSync(victim.images)).toEqual([])
    client.end()
  })
})

test("dump refuses a file in flight that cannot be kept, which it sees only in the freeze", async () => {
  const victim = await start("unixrights", { args: ["epoll"] })
  const told = await expectUnsupported(victim)
  expect(told.found).toContain("in flight through a socket is an epoll that watches a file added as fd")
})

for (const [kind, what] of [
  ["urgent", "a unix socket with an urgent byte (MSG_OOB) that nobody has read yet"],
  ["inline", "a unix socket with an urgent byte (MSG_OOB) that nobody has read yet"],
  ["error", "a unix socket with an error that the program has not been told of yet"],
  ["early", "that has sent data to a listener which has not accepted it yet"],
] as const)
  test(`dump refuses a unix socket whose queue cannot be looked at unseen, and takes nothing out: ${kind}`, async () => {
    const victim = await start("unixpairs", { args: [kind] })
    if (!isReady(victim)) return
    expect((await expectUnsupported(victim)).found).toContain(what)
  })
