import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { librariesOf } from "../../build/libraries.ts"
import { makePortable } from "../../build/portable.ts"
import { singleFile } from "../../build/single-file.ts"
import { compile, hasCompiler } from "../elf/compile.ts"

const source = join(import.meta.dir, "linked.c")
const isRoot = process.getuid?.() === 0
const [, effective = "0"] = /^CapEff:\s+(\w+)/m.exec(readFileSync("/proc/self/status", "utf8")) ?? []
/** CAP_SYS_RESOURCE. */
const mayRaise = (BigInt(`0x${effective}`) >> 24n) % 2n === 1n
const [folder, root] = [mkdtempSync(join(tmpdir(), "stasis-single-")), mkdtempSync(join(tmpdir(), "stasis-single-root-"))]
const [program, portable] = [join(folder, "program"), join(folder, "portable")]

/** What the program says of itself; `exe` where it is. */
const said = (exe: string, ...more: string[]): string[] =>
  ["constructor", ...more, `exe ${exe}`, "thread 5", "root 3", "interpreter yes", "atexit"] as const

function run(command: string[], env: Record<string, string> = {}) {
  const { exitCode, signalCode, stdout, stderr } = Bun.spawnSync(command, {
    env: { PATH: process.env.PATH ?? "", ...env },
    stdin: "ignore",
  })
  return { exitCode, signalCode, lines: stdout.toString().trim().split("\n"), stderr: stderr.toString() }
}

describe.skipIf(!hasCompiler || process.arch !== "x64")("singleFile", () => {
  beforeAll(() => {
    using made = compile(source, "-no-pie", "-O1", "-lm")
    writeFileSync(program, readFileSync(made.path))
    makePortable(program, portable)
    writeFileSync(join(root, "program"), readFileSync(portable))
    chmodSync(join(root, "program"), 0o755)
    for (const name of ["proc", "etc"]) mkdirSync(join(root, name))
    // Of every program of another libc's host.
    writeFileSync(join(root, "etc/ld.so.preload"), "/no/library.so\n")
  })
  afterAll(() => {
    for (const path of [folder, root]) rmSync(path, { recursive: true, force: true })
  })

  test("arguments, status, constructors, thread-local memory; nothing left open, nothing of this machine mapped", () => {
    expect(run([portable, "one", ""])).toEqual({
      exitCode: 7,
      signalCode: undefined,
      lines: said(portable, "argument one", "argument "),
      stderr: "",
    })
  })

  test("a signal ends it as such", () => {
    expect(run([portable, "kill"])).toMatchObject({ exitCode: null, signalCode: "SIGUSR1" })
  })

  test("variables of the loader mean nothing to it, and reach the program", () => {
    const env = { LD_PRELOAD: "/no/library.so", LX_X: "1", LD_LIBRARY_PATH: "/no" }
    const variables = ["environment LD_PRELOAD=/no/library.so", "environment LX_X=1", "environment LD_LIBRARY_PATH=/no"]
    const { lines, stderr } = run([portable], env)
    expect({ lines: lines.toSorted(), stderr }).toEqual({ lines: said(portable, ...variables).toSorted(), stderr: "" })
  })

  test("too few descriptors are told", () => {
    const { exitCode, stderr } = run(["sh", "-c", 'ulimit -n 4; exec "$0"', portable])
    expect(exitCode).toBe(6)
    expect(stderr).toMatch(/^Cannot start stasis: memory .*\n {9}next {4}.*ulimit -n.*\n {9}code {4}E_KERNEL\n$/)
  })

  for (const [title, ulimit, now] of [
    ["a soft limit of file sizes", "ulimit -Sf 0", "0 -1"],
    ["a soft limit below a hard one that suffices", "ulimit -Sf 0; ulimit -Hf 100000", "0 51200000"],
    ...(mayRaise ? [["a hard limit, which CAP_SYS_RESOURCE may raise", "ulimit -f 8", "4096 4096"]] : []),
  ])
    test(`${title} is no hindrance, and is there again afterwards`, () => {
      const { exitCode, lines, stderr } = run(["sh", "-c", `${ulimit}; exec "$0" limit`, portable])
      expect({ exitCode, stderr }).toEqual({ exitCode: 7, stderr: "" })
      expect(lines).toContain(`limit ${now} blocked 0`)
    })

  test.skipIf(!isRoot)("a limit of file sizes that may not be raised is told", () => {
    chmodSync(folder, 0o755)
    const { exitCode, signalCode, stderr } = run([
      "setpriv",
      "--reuid=65534",
      "--clear-groups",
      "sh",
      "-c",
      'ulimit -f 8; exec "$0"',
      portable,
    ])
    expect({ exitCode, signalCode }).toEqual({ exitCode: 6, signalCode: undefined })
    expect(stderr).toMatch(/^Cannot start stasis: memory .*\n {9}next {4}.*ulimit -f.*\n {9}code {4}E_KERNEL\n$/)
  })

  test.skipIf(!isRoot)("in a root with nothing in it but /proc", () => {
    const mounted = ["unshare", "--mount", "--pid", "--fork", "sh", "-c", 'mount -t proc proc "$0/proc" && exec chroot "$0" /program', root]
    expect(run(mounted)).toEqual({ exitCode: 7, signalCode: undefined, lines: said("/program"), stderr: "" })
  })

  test.skipIf(!isRoot)("a missing /proc is told", () => {
    const { exitCode, stderr } = run(["chroot", root, "/program"])
    expect(exitCode).toBe(6)
    expect(stderr).toMatch(/^Cannot start stasis: \/proc .*\n {9}next {4}mount .*\n {9}code {4}E_KERNEL\n$/)
  })

  test.skipIf(!isRoot)("where no file in memory may be executed (vm.memfd_noexec=2)", () => {
    const strict = 'if [ -e /proc/sys/vm/memfd_noexec ]; then echo 2 >/proc/sys/vm/memfd_noexec; fi && exec "$0"'
    const { exitCode, lines } = run(["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c", strict, portable])
    expect({ exitCode, lines }).toEqual({ exitCode: 7, lines: said(portable) })
  })

  test("the same parts give the same bytes", () => {
    const bytes = readFileSync(program)
    const { loader, libraries } = librariesOf(bytes, "/")
    const parts = { program: bytes, loader: loader.bytes, libraries: libraries.map((library) => library.bytes) }
    expect(Buffer.from(singleFile(parts)).equals(readFileSync(portable))).toBe(true)
  })

  test("what cannot become one file is told", () => {
    using movable = compile(source, "-pie", "-fPIE", "-lm")
    const bytes = readFileSync(movable.path)
    const { loader } = librariesOf(bytes, "/")
    expect(() => singleFile({ program: bytes, loader: loader.bytes, libraries: [] })).toThrow("fixed addresses")
    const fixed = readFileSync(program)
    expect(() => singleFile({ program: fixed, loader: fixed, libraries: [] })).toThrow("not glibc's")
    expect(() => singleFile({ program: Buffer.from("#!/bin/sh\n"), loader: fixed, libraries: [] })).toThrow("no ELF file")
    using alone = compile(source, "-static", "-lm")
    expect(() => librariesOf(readFileSync(alone.path), "/")).toThrow("no interpreter")
    expect(() => librariesOf(fixed, root)).toThrow(`No libm.so.6 below "${root}"`)
  })
})
