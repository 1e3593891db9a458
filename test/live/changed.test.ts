import { afterEach, describe, expect, test } from "bun:test"
import { appendFileSync, chmodSync, copyFileSync, readlinkSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { EXIT_STATUS } from "../../src/base/errors.ts"
import { compileVictim } from "../harness/compile.ts"
import { waitFor } from "../harness/deadline.ts"
import { scratch } from "../harness/folders.ts"
import { cleanUp, linkOf, statusOf } from "../harness/process.ts"
import { skip } from "../harness/skip.ts"
import { dump, restore, run, stasisTool } from "../harness/tool.ts"
import { launch, start, type Victim } from "../harness/victim.ts"

afterEach(cleanUp)

const tryRestore = (images: string, ...options: string[]) => run([...stasisTool.command, "restore", "-d", "-D", images, ...options])

describe("a file that has grown since the dump", () => {
  async function grown(): Promise<{ victim: Victim; path: string }> {
    const victim = await start("files", { args: ["{folder}"] })
    await dump(stasisTool, victim.pid, victim.images)
    await victim.gone()
    const path = join(victim.folder, "data")
    appendFileSync(path, "more")
    const failed = await tryRestore(victim.images)
    expect(failed.status).toBe(EXIT_STATUS.E_FILE_CHANGED)
    expect(failed.stderr).toContain("it has 10004 bytes now and had 10000")
    expect(failed.stderr).toContain("--file-changed=accept")
    expect(statSync(path).size).toBe(10004)
    return { victim, path }
  }

  test("is taken with a warning by --file-changed=accept", async () => {
    const { victim, path } = await grown()
    const { stderr } = await restore(stasisTool, victim.images, "--file-changed=accept")
    expect(stderr).toContain("it has 10004 bytes now and had 10000")
    victim.ask()
    expect(await victim.answer()).toBe("OK")
    expect(statSync(path).size).toBe(10004)
  })

  test("is cut back by --file-changed=truncate, for it is open for writing; who reads it finds what was there", async () => {
    const { victim, path } = await grown()
    expect((await tryRestore(victim.images, "--file-changed=truncate")).status).toBe(0)
    expect(statSync(path).size).toBe(10000)
    victim.ask()
    expect(await victim.answer()).toBe("OK")
  })
})

for (const [program, args, file, what] of [
  ["files", [], "data", "it was open for writing, and is on a read-only mount now"],
  ["unixnames", ["listen"], "", "is on a read-only mount now"],
] as const)
  test(`what needs to be written to, on a mount that is read-only now, is told before anything is made: ${program}`, async () => {
    const victim = await start(program, { args: [...args, "{folder}"] })
    await dump(stasisTool, victim.pid, victim.images)
    await victim.gone()
    const path = join(victim.folder, file)
    const mounts = `mount --bind "${path}" "${path}" && mount -o remount,ro,bind "${path}"`
    const restoring = `${stasisTool.command.join(" ")} restore -d -D "${victim.images}"`
    const failed = await run(["unshare", "-m", "sh", "-c", `${mounts} && exec ${restoring}`])
    expect(failed.status).toBe(EXIT_STATUS.E_FILE_CHANGED)
    expect(failed.stderr).toContain(what)
    await restore(stasisTool, victim.images)
    victim.ask()
    expect(await victim.answer()).toBe("OK")
  })

test("a program, or a library, on a mount from which nothing may be executed now is told before anything is made", async () => {
  const victim = await start("files", { args: ["{folder}"], on: scratch("noexec") })
  const program = readlinkSync(`/proc/${victim.pid}/exe`)
  const mounts = `mount --bind "${program}" "${program}" && mount -o remount,noexec,bind "${program}"`
  await dump(stasisTool, victim.pid, victim.images)
  await victim.gone()
  for (const command of ["restore -d", "plan"]) {
    const failed = await run([
      "unshare",
      "-m",
      "sh",
      "-c",
      `${mounts} && exec ${stasisTool.command.join(" ")} ${command} -D "${victim.images}"`,
    ])
    expect(failed.status).toBe(EXIT_STATUS.E_FILE_CHANGED)
    expect(failed.stdout + failed.stderr).toContain("nothing may be executed from its mount (noexec) now")
  }
  await restore(stasisTool, victim.images)
  victim.ask()
  expect(await victim.answer()).toBe("OK")
})

test.each(["in place", "deleted"])("a program whose mount has become noexec while it ran is refused: %s", async (place) => {
  const folder = scratch("noexec")
  const program = join(folder, "program")
  copyFileSync("/bin/sleep", program)
  const asleep = launch("noexec", ["unshare", "-m", "sh", "-c", `mount --bind "${folder}" "${folder}" && exec "${program}" 600`])
  await waitFor("the program", () => linkOf(`/proc/${asleep.pid}/exe`) === program)
  expect((await run(["nsenter", "-t", `${asleep.pid}`, "-m", "mount", "-o", "remount,noexec,bind", folder])).status).toBe(0)
  if (place === "deleted") rmSync(program)
  const refused = await run([...stasisTool.command, "dump", "-t", `${asleep.pid}`, "-D", asleep.images])
  expect(refused.status).toBe(EXIT_STATUS.E_UNSUPPORTED)
  expect(refused.stderr).toContain("from whose mount nothing may be executed any more (noexec)")
  expect(statusOf(asleep.pid, "TracerPid")).toBe("0")
})

test("a file that is open for writing and has become append-only or immutable is told by dump, plan and restore", async () => {
  const victim = await start("files", { args: ["{folder}"] })
  const path = join(victim.folder, "data")
  const change = async (option: string) => (await run(["chattr", option, path])).status === 0
  if (!(await change("+a"))) return skip("attributes of files: chattr is not allowed here")
  try {
    const refused = await run([...stasisTool.command, "dump", "-t", `${victim.pid}`, "-D", victim.images])
    expect(refused.status).toBe(EXIT_STATUS.E_UNSUPPORTED)
    expect(refused.stderr).toContain("has become append-only")
    await change("-a")
    await dump(stasisTool, victim.pid, victim.images)
    await victim.gone()
    await change("+i")
    const failed = await tryRestore(victim.images)
    expect(failed.status).toBe(EXIT_STATUS.E_FILE_CHANGED)
    expect(failed.stderr).toContain(`chattr -i "${path}"`)
  } finally {
    await change("-i")
    await change("-a")
  }
  await restore(stasisTool, victim.images)
  victim.ask()
  expect(await victim.answer()).toBe("OK")
})

test("a file with other permissions is taken by --skip-file-rwx-check alone", async () => {
  const victim = await start("files", { args: ["{folder}"] })
  await dump(stasisTool, victim.pid, victim.images)
  await victim.gone()
  chmodSync(join(victim.folder, "data"), 0o600)
  const failed = await tryRestore(victim.images)
  expect(failed.status).toBe(EXIT_STATUS.E_FILE_CHANGED)
  expect(failed.stderr).toContain("--skip-file-rwx-check")
  await restore(stasisTool, victim.images, "--skip-file-rwx-check")
  victim.ask()
  expect(await victim.answer()).toBe("OK")
})

test("another build of the executable with the same size is found, unless only sizes are compared", async () => {
  const folder = scratch("build")
  const images = scratch("build-images")
  const program = join(folder, "program")
  copyFileSync(compileVictim("heap"), program)
  chmodSync(program, 0o755)
  const running = Bun.spawn(["setsid", program, join(folder, "ask")], { stdin: "ignore", stdout: "ignore", stderr: "ignore" })
  await Bun.sleep(500)
  await dump(stasisTool, running.pid, images)
  await running.exited
  const bytes = Buffer.from(await Bun.file(program).arrayBuffer())
  const shown = Bun.spawnSync(["readelf", "-n", program]).stdout.toString()
  const id = bytes.indexOf(Buffer.from(/Build ID: ([0-9a-f]+)/.exec(shown)?.[1] ?? "", "hex"))
  bytes[id] = bytes.readUInt8(id) ^ 0xff
  writeFileSync(program, bytes)
  const failed = await tryRestore(images)
  expect(failed.status).toBe(EXIT_STATUS.E_FILE_CHANGED)
  expect(failed.stderr).toContain("its build ID is ")
  expect((await tryRestore(images, "--file-validation", "filesize")).status).toBe(0)
  process.kill(running.pid, "SIGKILL")
})
