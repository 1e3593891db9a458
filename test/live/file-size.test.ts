import { afterEach, expect, test } from "bun:test"
import { alive, cleanUp, statusOf } from "../harness/process.ts"
import { dump, restore, run, stasisTool } from "../harness/tool.ts"
import { start } from "../harness/victim.ts"
import { fingerprint } from "./images.ts"

afterEach(cleanUp)

test("a limit of file sizes ends a dump as a full disk does, and stops a restore", async () => {
  const victim = await start("memory", { args: ["2"] })
  await dump(stasisTool, victim.pid, victim.images, "--leave-running")
  const before = fingerprint(victim.images)
  // A file with what it says would be cut off as well: cat, which has no limit, writes it.
  const limited = async (...words: string[]) =>
    (await run(["sh", "-c", '(ulimit -Sf 0; exec "$@") 2>&1 | cat', "sh", ...stasisTool.command, ...words])).stdout
  expect(await limited("dump", "-t", `${victim.pid}`, "-D", victim.images)).toMatch(
    /the file would exceed RLIMIT_FSIZE .*\n.*EFBIG.*\n.*ulimit -f.*\n.*E_DISK_FULL\n$/,
  )
  expect(statusOf(victim.pid, "TracerPid")).toBe("0")
  expect(statusOf(victim.pid, "State")).not.toMatch(/^[tTZ]/)
  expect(fingerprint(victim.images)).toEqual(before)
  await dump(stasisTool, victim.pid, victim.images)
  await victim.gone()
  expect(await limited("restore", "-d", "-D", victim.images)).toMatch(/RLIMIT_FSIZE.*\n.*EFBIG.*\n.*ulimit -f.*\n.*E_RESTORE\n$/)
  expect(alive(victim.pid)).toBe(false)
  await restore(stasisTool, victim.images)
  victim.ask()
  expect(await victim.answer()).toBe("OK")
})

test("a limit of file sizes that has no room for the process that stands in for another user's", async () => {
  const victim = await start("credentials", { args: ["user"] })
  // Room for the first image, not for the program's 4136 bytes: the shell counts in blocks of 512 or 1024.
  const command = '(ulimit -Sf 4; exec "$@") 2>&1 | cat'
  const { stdout } = await run(["sh", "-c", command, "sh", ...stasisTool.command, "dump", "-t", `${victim.pid}`, "-D", victim.images])
  expect(stdout).toMatch(/Cannot start a program.*RLIMIT_FSIZE.*\n.*EFBIG.*\n.*ulimit -f.*\n.*E_DISK_FULL\n$/)
  victim.ask()
  expect(await victim.answer()).toBe("OK")
})
