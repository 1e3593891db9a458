import { dlopen, ptr } from "bun:ffi"
import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { chmodSync, closeSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { holdInterrupts, takeInterrupt } from "../../ffi/interrupt.ts"
import { runScripts, SCRIPT_HOOKS } from "../../src/flow/scripts.ts"
import { readStatIfAlive } from "../../src/proc/stat.ts"
import { listProcesses } from "../../src/proc/tasks.ts"

let scratch: string
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), "stasis-scripts-"))
})
afterEach(() => {
  delete process.env.CRTOOLS_INIT_PID
  rmSync(scratch, { recursive: true })
})

function script(name: string, body: string): string {
  const path = join(scratch, name)
  writeFileSync(path, `#!/bin/sh\n${body}\n`)
  chmodSync(path, 0o755)
  return path
}

describe("runScripts", () => {
  test("tells each script the hook, the images and the PID, one after the other", () => {
    const out = join(scratch, "out")
    const body = (name: string): string => `echo "${name} $CRTOOLS_SCRIPT_ACTION $CRTOOLS_IMAGE_DIR \${CRTOOLS_INIT_PID-none}" >> ${out}`
    const scripts = [script("a", body("a")), script("b", body("b"))]
    // What another tool left in our environment must not be taken for the PID of this tree.
    process.env.CRTOOLS_INIT_PID = "999"
    runScripts(scripts, "pre-dump", { imagesDir: "/images" })
    runScripts(scripts, "post-restore", { imagesDir: "/images", initPid: 42 })
    const lines = ["a pre-dump /images none", "b pre-dump /images none", "a post-restore /images 42", "b post-restore /images 42"]
    expect(readFileSync(out, "utf8")).toBe(`${lines.join("\n")}\n`)
  })

  test("gives a script an empty standard input", () => {
    const out = join(scratch, "out")
    runScripts([script("a", `cat > ${out}`)], "pre-dump", { imagesDir: "/" })
    expect(readFileSync(out, "utf8")).toBe("")
  })

  test("gives a script no signal that is blocked or ignored, no descriptor of ours, and a session of its own", () => {
    const out = join(scratch, "out")
    const fd = dlopen("libc.so.6", { dup: { args: ["i32"], returns: "i32" } }).symbols.dup(0)
    runScripts(
      [script("a", `{ grep -E "Sig(Blk|Ign)" /proc/self/status; ls /proc/self/fd; ps -o sid= $$; echo $$; } >${out}`)],
      "pre-dump",
      {
        imagesDir: "/",
      },
    )
    closeSync(fd)
    const lines = readFileSync(out, "utf8").trim().split(/\s+/)
    const [session, pid] = lines.splice(-2)
    expect(session).toBe(pid ?? "")
    const none = "0000000000000000"
    // 3 is the folder that ls reads.
    expect(lines).toEqual(["SigBlk:", none, "SigIgn:", none, "0", "1", "2", "3"])
  })

  test("ends the row at the first script that fails", () => {
    const mark = join(scratch, "mark")
    const row = [script("a", "exit 3"), script("b", `touch ${mark}`)]
    expect(() => runScripts(row, "pre-resume", { imagesDir: "/" })).toThrow("at pre-resume: it ended with status 3")
    expect(existsSync(mark)).toBe(false)
  })

  test("tells a killed, a missing and a plain file apart", () => {
    const plain = join(scratch, "plain")
    writeFileSync(plain, "")
    const run = (path: string) => () => runScripts([path], "post-dump", { imagesDir: "/" })
    expect(run(script("a", "kill -9 $$"))).toThrow("it was killed by signal 9")
    expect(run(join(scratch, "missing"))).toThrow("it could not be started")
    expect(run(plain)).toThrow("it could not be started")
    expect(run(plain)).toThrow(expect.objectContaining({ code: "E_SCRIPT", status: 7 }))
  })

  test("ends all that a script has started when we are asked to stop, in groups of their own and deaf to SIGTERM too", () => {
    using _interrupts = holdInterrupts()
    const out = join(scratch, "out")
    const hung = "timeout 1000 sleep 1000 & (trap '' TERM; sleep 1000; sleep 1000) & sleep 0.2; kill -TERM $PPID; sleep 1000"
    const run = () => runScripts([script("a", `echo $$ >${out}; ${hung}`)], "post-dump", { imagesDir: "/" })
    expect(run).toThrow(expect.objectContaining({ code: "E_INTERRUPTED" }))
    takeInterrupt()
    const session = Number(readFileSync(out, "utf8"))
    const left = listProcesses().flatMap((pid) => readStatIfAlive(pid) ?? [])
    expect(left.filter((stat) => stat.session === session && stat.state !== "Z")).toEqual([])
  })

  test("runs a post-resume script although we were asked to stop before, and forgets nothing", () => {
    using _interrupts = holdInterrupts()
    const mark = join(scratch, "mark")
    process.kill(process.pid, "SIGTERM")
    runScripts([script("a", `sleep 0.1; touch ${mark}`)], "post-resume", { imagesDir: "/" })
    expect([existsSync(mark), takeInterrupt()]).toEqual([true, 15])
    process.kill(process.pid, "SIGTERM")
    expect(() => runScripts([script("a", `touch ${mark}`)], "pre-resume", { imagesDir: "/" })).toThrow("signal 15 asked stasis to stop")
    takeInterrupt()
  })

  // A restored or traced task is a child of ours: its end belongs to the flow, whatever a script does meanwhile.
  test("leaves other children of ours to be waited for", () => {
    const { symbols: libc } = dlopen("libc.so.6", {
      posix_spawn: { args: ["ptr", "ptr", "ptr", "ptr", "ptr", "ptr"], returns: "i32" },
      waitpid: { args: ["i32", "ptr", "i32"], returns: "i32" },
    })
    const words = ["/bin/sh", "-c", "exit 7"].map((word) => Buffer.from(`${word}\0`))
    const argv = new BigUint64Array([...words.map((word) => BigInt(ptr(word))), 0n])
    const pid = new Int32Array(1)
    expect(libc.posix_spawn(ptr(pid), ptr(words[0] ?? pid), null, null, ptr(argv), ptr(new BigUint64Array(1)))).toBe(0)
    runScripts([script("a", "sleep 0.1"), script("b", "true")], "pre-dump", { imagesDir: "/" })
    const status = new Int32Array(1)
    expect(libc.waitpid(pid[0] ?? 0, ptr(status), 0)).toBe(pid[0] ?? 0)
    expect(status[0]).toBe(7 << 8)
  })
})

test("SCRIPT_HOOKS are CRIU's thirteen", () => {
  expect(new Set(SCRIPT_HOOKS).size).toBe(13)
})
