import { afterEach, describe, expect, test } from "bun:test"
import { chmodSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { EntryKind, EntryOf } from "../../src/image/catalog.ts"
import { decodeImage } from "../../src/image/read.ts"
import { encodeImage } from "../../src/image/write.ts"
import { waitFor } from "../harness/deadline.ts"
import { takeHugePages } from "../harness/hugepages.ts"
import { alive, cleanUp } from "../harness/process.ts"
import { skip } from "../harness/skip.ts"
import { dump, type Run, run, stasisTool, toldError } from "../harness/tool.ts"
import { isReady, start, type Victim } from "../harness/victim.ts"

afterEach(cleanUp)

/** A script that does something to the restored tree, or to its images, just before it is verified. */
function scriptOf(victim: Victim, body: string): string {
  const path = join(victim.folder, "spoil")
  writeFileSync(path, `#!/bin/sh\n[ "$CRTOOLS_SCRIPT_ACTION" = pre-resume ] || exit 0\ncd /proc/$CRTOOLS_INIT_PID || exit 1\n${body}\n`)
  chmodSync(path, 0o755)
  return path
}

async function verified(victim: Victim, body: string): Promise<Run> {
  await dump(stasisTool, victim.pid, victim.images)
  await victim.gone()
  const script = scriptOf(victim, body)
  return run([...stasisTool.command, "restore", "--json", "-d", "-D", victim.images, "--verify", "--action-script", script])
}

/** Puts a changed copy of an image beside the good one. @returns the command that replaces that one by it */
function exchanged<K extends EntryKind>(victim: Victim, kind: K, name: RegExp, change: (entry: EntryOf<K>) => void): string {
  const file = readdirSync(victim.images).find((image) => name.test(image)) ?? `no ${name}`
  const entries = decodeImage(kind, file, readFileSync(join(victim.images, file))).map(({ message }) => message)
  for (const entry of entries) change(entry)
  writeFileSync(join(victim.folder, "spoilt"), encodeImage(kind, entries))
  return `cp ${victim.folder}/spoilt ${victim.images}/${file}`
}

describe("restore --verify names what is not as it was, and nothing of the tree stays", () => {
  async function expectDifference(victim: Victim, body: string, found: RegExp): Promise<void> {
    const result = await verified(victim, body)
    expect(toldError(result)).toMatchObject({ code: "E_RESTORE", found: expect.stringMatching(found) })
    await waitFor("nothing to be left", () => !alive(victim.pid))
    await victim.gone()
    // The good images are still good.
    const again = await run([...stasisTool.command, "restore", "-d", "-D", victim.images, "--verify"])
    expect([again.status, again.stderr]).toEqual([0, ""])
    victim.ask()
    expect(await victim.answer()).toBe("OK")
  }

  test("what is queued in a pipe", async () => {
    const victim = await start("pipes")
    await expectDifference(victim, "printf more > fd/4", /^pipe \d+: 10003 bytes were queued, 10007 are$/)
  })

  /** Bounds of the areas that match, as they are before the dump and after the restore. */
  const areas = ({ pid }: Victim, pattern: RegExp): { name: string; start: number; size: number }[] =>
    readFileSync(`/proc/${pid}/maps`, "latin1")
      .split("\n")
      .flatMap((line) => {
        const [name = ""] = line.split(" ")
        const [start = 0, end = 0] = name.split("-").map((bound) => Number.parseInt(bound, 16))
        return pattern.test(line) ? [{ name, start, size: end - start }] : []
      })

  test("shared memory, where pages are stored and where none are", async () => {
    const victim = await start("sharedmem", { args: ["unreserved"] })
    const shared = areas(victim, / rw-s .*\/dev\/zero/)
    const write = (size: number, at: number) =>
      `printf X | dd of=map_files/${shared.find((area) => area.size === size)?.name} bs=1 seek=${at} conv=notrunc 2>/dev/null`
    await expectDifference(
      victim,
      [write(8192, 5000), write(2 ** 40, 1 << 20)].join("\n"),
      /^(?=.*shared memory \d+ 0x1388: has another value)(?=.*shared memory \d+ 0x100000-0x101000: holds data, and held none)/,
    )
  })

  test("private memory", async () => {
    const victim = await start("heap")
    const [heap] = areas(victim, /\[heap\]/)
    const body = `head -c 4096 /dev/zero | tr '\\0' X | dd of=mem bs=4096 seek=${(heap?.start ?? 0) / 4096} conv=notrunc 2>/dev/null`
    await expectDifference(victim, body, /process \d+ memory 0x[0-9a-f]+: has another value/)
  })

  const spoil = (at: number): string => `head -c 4096 /dev/zero | tr '\\0' X | dd of=mem bs=4096 seek=${at / 4096} conv=notrunc 2>/dev/null`

  for (const [kind, found] of [
    ["private", /process \d+ memory 0x[0-9a-f]+: has another value/],
    ["shared", /^(?=.*shared memory \d+ 0x0: has another value)(?=.*shared memory \d+ 0x200000-0x400000: holds data, and held none)/],
  ] as const)
    test(`huge pages: ${kind}`, async () => {
      await using pages = await takeHugePages(12)
      const victim = pages && (await start("hugepages", { args: [kind] }))
      if (!victim || !isReady(victim)) return
      const area = areas(victim, /anon_hugepage/).find(({ size }) => size === 3 * 2 ** 21)?.start ?? 0
      await expectDifference(victim, kind === "private" ? spoil(area + 2 ** 21) : [spoil(area), spoil(area + 2 ** 21)].join("\n"), found)
    })
})

describe("restore --verify compares with the images as they are then", () => {
  async function expectDifference(
    source: string,
    args: readonly string[],
    spoil: (victim: Victim) => string,
    found: RegExp,
  ): Promise<void> {
    const victim = await start(source, { args })
    // Dumped twice: the images must be there before the script is written.
    await dump(stasisTool, victim.pid, victim.images, "--leave-running")
    const result = await verified(victim, spoil(victim))
    expect(toldError(result)).toMatchObject({ code: "E_RESTORE", found: expect.stringMatching(found) })
    await waitFor("nothing to be left", () => !alive(victim.pid))
  }

  test("seccomp filters", () =>
    expectDifference(
      "seccomp",
      ["filters"],
      (victim) =>
        exchanged(victim, "seccomp", /^seccomp/, ({ seccomp_filters }) => {
          // The last bytes of an instruction are its constant.
          for (const { filter } of seccomp_filters) filter[filter.length - 1]! ^= 1
        }),
      /thread \d+ seccomp filter 0: has other instructions; .*thread \d+ seccomp filter 1: has other instructions/,
    ))

  for (const what of ["vm", "files", "fs", "sighand"] as const)
    test(`who shares what: ${what}`, () =>
      expectDifference(
        "sharers",
        [what],
        (victim) =>
          exchanged(victim, "ids", new RegExp(`^ids-(?!${victim.pid}\\.)`), (ids) => {
            ids[`${what}_id`] = 77
          }),
        new RegExp(`process \\d+ ${what}_id: is shared otherwise than it was`),
      ))
})

test("restore --verify: what a dump would refuse of the tree is told as a failed verification, not as a failed dump", async () => {
  const victim = await start("files", { args: ["{folder}"] })
  using _ = { [Symbol.dispose]: () => void Bun.spawnSync(["umount", victim.folder]) }
  const result = await verified(victim, `mount -t tmpfs none ${victim.folder}`)
  expect(toldError(result)).toMatchObject({
    code: "E_RESTORE",
    found: expect.stringMatching(/^a dump would refuse it: /),
  })
  expect(result.stderr).toContain(`Cannot verify the restored tree of process ${victim.pid}`)
  expect(result.stderr).not.toContain("Cannot dump")
  await waitFor("nothing to be left", () => !alive(victim.pid))
})

describe("dump --verify", () => {
  const images = (victim: Victim): string[] => readdirSync(victim.images).filter((name) => /\.(img|tmp)$/.test(name))
  const dumping = (victim: Victim, ...options: string[]): string[] => [
    ...stasisTool.command,
    "dump",
    "--json",
    "-t",
    `${victim.pid}`,
    "-D",
    victim.images,
    "--leave-running",
    ...options,
  ]
  async function expectWell(victim: Victim): Promise<void> {
    victim.ask()
    expect(await victim.answer()).toBe("OK")
  }

  test("a dump that kills is restored as ever", async () => {
    const victim = await start("forest")
    await dump(stasisTool, victim.pid, victim.images, "--verify")
    await victim.gone()
    const { status, stderr } = await run([...stasisTool.command, "restore", "-d", "-D", victim.images, "--verify"])
    expect([status, stderr]).toEqual([0, ""])
    await expectWell(victim)
  })

  const strace = Bun.which("strace")
  if (!strace) skip("a disk that loses pages: strace is not installed (apt-get install strace, needs root)")
  test.skipIf(!strace)("pages that did not reach their file fail it, and the program goes on; without it nobody sees", async () => {
    const victim = await start("heap")
    // The kernel says that it has written a page, and has not. With -D the tool has the PID of strace, of which its temporaries are named.
    const lose = `exec strace -D -q -e trace=pwrite64 -e inject=pwrite64:retval=4096:when=1 -P "$0/.stasis-$$-pages-1.img.tmp" -o /dev/null "$@"`
    const losing = (...options: string[]) => run(["sh", "-c", lose, victim.images, ...dumping(victim, ...options)])
    expect((await losing()).status).toBe(0)
    for (const name of images(victim)) rmSync(join(victim.images, name))
    const result = await losing("--verify")
    expect(toldError(result)).toMatchObject({
      code: "E_TARGET_CHANGED",
      found: expect.stringMatching(/^process \d+ memory 0x[0-9a-f]+: has another value$/),
    })
    expect(result.stderr).toContain(`Cannot verify the images of task ${victim.pid}`)
    expect(images(victim)).toEqual([])
    await expectWell(victim)
  })

  test("what a stranger changes during the freeze fails it, and the program goes on", async () => {
    const victim = await start("heap")
    let value = 1
    const meddle = (): void => {
      value = 3 - value
      writeFileSync(`/proc/${victim.pid}/oom_score_adj`, `${value}`)
    }
    const meddling = setInterval(meddle, 1)
    try {
      const told: string[] = []
      for (let round = 0; round < 50 && told.length === 0; round++) {
        const result = await run(dumping(victim, "--verify"))
        if (result.status === 0) continue
        expect(toldError(result).code).toBe("E_TARGET_CHANGED")
        expect(images(victim).filter((name) => name.endsWith(".tmp"))).toEqual([])
        told.push(toldError(result).found)
      }
      expect(told[0]).toMatch(/oom_score_adj: was [12], is [12]/)
    } finally {
      clearInterval(meddling)
    }
    await expectWell(victim)
  })
})
