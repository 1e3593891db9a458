import { afterEach, describe, expect, test } from "bun:test"
import { existsSync, readFileSync } from "node:fs"
import { syscallNumber } from "../../ffi/syscall.ts"
import { waitFor } from "../harness/deadline.ts"
import { alive, cleanUp, statusOf } from "../harness/process.ts"
import { asUser, hindrance, startAs, toolAs, unpublish } from "../harness/rung.ts"
import { skip } from "../harness/skip.ts"
import { dump, must, run, stasisTool } from "../harness/tool.ts"
import { launch, start, type Victim } from "../harness/victim.ts"
import { treeOf } from "./kin.ts"

afterEach(() => {
  cleanUp()
  unpublish()
})

/** A program with a deleted file of a million bytes, a pipe and a listening socket. */
async function startDescriptors(): Promise<Victim> {
  const script = [
    'open(my $file, "+>", "deleted"); syswrite($file, "x" x 1000000); unlink("deleted")',
    'pipe(my $from, my $to); syswrite($to, "word")',
    'use IO::Socket::UNIX; my $socket = IO::Socket::UNIX->new(Local => "\\0rehearsal-$$", Listen => 1)',
    '$| = 1; print "READY\\n"; sleep(600)',
  ].join("; ")
  const victim = launch("rehearsal", ["setsid", "perl", "-e", script])
  await waitFor("the descriptors", () => victim.lines().includes("READY"))
  return victim
}

// What stops a rehearsal early is no failure: without this nobody would see that the freeze has become longer.
describe("a rehearsal reaches its end, before the freeze,", () => {
  const programs: Readonly<Record<string, () => Promise<Victim>>> = {
    "of a thread": () => start("load", { linkage: "static", args: ["1", "0"] }),
    "of many threads": () => start("load", { args: ["20", "0"] }),
    "of processes": () => start("forest", { linkage: "static", args: ["2", "1"] }),
    "of descriptors": startDescriptors,
  }
  for (const [name, begin] of Object.entries(programs))
    test(name, async () => {
      const victim = await begin()
      const { stderr } = await dump(stasisTool, victim.pid, victim.images, "-R", "-v4")
      const [done, frozen] = ["rehearsal: done after", `seize: froze task ${victim.pid}`].map((words) => stderr.indexOf(words)) as [
        number,
        number,
      ]
      expect(stderr).not.toContain("rehearsal: stopped early")
      expect(done).toBeGreaterThan(-1)
      expect(frozen).toBeGreaterThan(done)
    })
})

test("registrations of the target are found by its libc: the understudy, which has none, is asked in its own way", async () => {
  const victim = await start("unused")
  const { stderr, status } = await run([
    ...stasisTool.command,
    "dump",
    `${victim.pid}`,
    "-D",
    victim.images,
    "-v4",
    "--rseq-discovery",
    "libc",
  ])
  if (status !== 0) return skip("this C library does not say where it registers")
  expect(stderr).toContain("rehearsal: done after")
})

test("a filter of seccomp that kills stasis for what only a rehearsal calls: there is none", async () => {
  const victim = await start("unused")
  const [prctl, forbidden] = [syscallNumber("prctl"), syscallNumber("memfd_create")]
  const confine = [
    `my $filter = pack("SCCL" x 4, 0x20, 0, 0, 0, 0x15, 0, 1, ${forbidden}, 0x06, 0, 0, 0x80000000, 0x06, 0, 0, 0x7fff0000)`,
    `syscall(${prctl}, 38, 1, 0, 0, 0); my $program = pack("S x6 P", 4, $filter)`,
    `syscall(${prctl}, 22, 2, $program) == 0 or die $!; exec @ARGV`,
  ].join("; ")
  const { stderr } = await dump(
    { ...stasisTool, command: ["perl", "-e", confine, ...stasisTool.command] },
    victim.pid,
    victim.images,
    "-v4",
  )
  expect(stderr).toContain("rehearsal: none")
})

test("a stasis that is stopped with its whole process group, then killed, leaves no understudy", async () => {
  const victim = await start("unused")
  const command = ["setsid", ...stasisTool.command, "dump", "-R", `${victim.pid}`, "-D", victim.images]
  const traced = (tool: number): number[] => treeOf(tool).filter((pid) => statusOf(pid, "TracerPid") === `${tool}`)
  let met: number | undefined
  for (let tries = 0; met === undefined && tries < 20; tries++) {
    const tool = Bun.spawn(command, { stdin: "ignore", stdout: "ignore", stderr: "ignore" })
    while (met === undefined && tool.exitCode === null && tool.signalCode === null) {
      met = traced(tool.pid)[0]
      await Bun.sleep(0)
    }
    if (met !== undefined) process.kill(-tool.pid, "SIGSTOP")
    tool.kill("SIGKILL")
    await tool.exited
  }
  expect(met).toBeDefined()
  await waitFor("the understudy to end", () => !alive(met as number))
})

const keyUsers = "/proc/key-users"
const why = hindrance() ?? (existsSync(keyUsers) ? undefined : "this kernel has no keys")
if (why) skip(`keyrings of a rehearsal: ${why}`)
test.skipIf(why !== undefined)("a dump that leaves its tree running makes no keyrings of the user's", async () => {
  // They would stay until the next boot: one who has none yet.
  const user = 1_000_000 + Math.floor(Math.random() * 1_000_000)
  const victim = await startAs(user, asUser(user), "unused")
  await must(toolAs(...asUser(user)), "dump", "-R", `${victim.pid}`, "-D", victim.images)
  expect(readFileSync(keyUsers, "utf8")).not.toMatch(new RegExp(`^ *${user}:`, "m"))
})
