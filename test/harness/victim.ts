import { closeSync, copyFileSync, existsSync, openSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { compileVictim, type Linkage } from "./compile.ts"
import { waitFor } from "./deadline.ts"
import { discard, inside, scratch } from "./folders.ts"
import { alive, remember, threadsOf, writersOf } from "./process.ts"
import { skip } from "./skip.ts"

/** How a victim is started. */
export interface Start {
  readonly linkage?: Linkage
  /** Arguments after the ask file; "{folder}" stands for a new empty folder of this victim. */
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** The file to ask with, relative to the victim's folder. Default "../ask", beside it. */
  readonly ask?: string
  /** A folder, of another file system: all its files are made there, a copy of its program and its images too. */
  readonly on?: string
}

/** A started program that tests dump, restore and ask. Original and restored process are the same to it: only PID and files count. */
export interface Victim {
  readonly pid: number
  readonly name: string
  /** Its own folder, for its files. */
  readonly folder: string
  /** An empty folder for images. */
  readonly images: string
  /** PIDs of all its living processes: those that write where it writes. */
  members(): number[]
  /** All lines it printed so far. */
  lines(): string[]
  /** Creates the file that makes it check itself. */
  ask(): void
  /** Waits for its last word, "OK", "SKIP why" or "FAIL why", and for its end. */
  answer(seconds?: number): Promise<string>
  /** Waits until neither it nor a zombie holds the PID. */
  gone(): Promise<void>
  /** Removes its folders now, where waiting for the end of the tests would take too much room. */
  discard(): void
}

/**
 * Starts any program with /dev/null as input and a file as output; "{folder}" in its command stands for its own empty folder. `command` may
 * use setsid(1) to get a session of its own.
 */
export function launch(
  name: string,
  command: readonly string[],
  options: { base?: string; ask?: string; env?: Readonly<Record<string, string>> } = {},
): Victim {
  const base = options.base ?? scratch(name)
  const folder = existsSync(join(base, "work")) ? join(base, "work") : inside(base, "work")
  const images = inside(base, "images")
  const output = join(base, "output")
  const fd = openSync(output, "a", 0o600)
  const { GLIBC_TUNABLES: _, ...environment } = process.env
  const child = Bun.spawn(
    command.map((word) => word.replace("{folder}", folder)),
    { cwd: folder, stdin: "ignore", stdout: fd, stderr: fd, env: { ...environment, ...options.env } },
  )
  closeSync(fd)
  child.unref()
  remember(child.pid, output)
  const lines = () => readFileSync(output, "utf8").split("\n").filter(Boolean)
  const { pid } = child
  return {
    pid,
    name,
    folder,
    images,
    members: () => writersOf(new Set([output])),
    lines,
    ask: () => writeFileSync(join(folder, options.ask ?? "../ask"), ""),
    answer: async (seconds) => {
      const last = await waitFor(
        `the last word of ${name}`,
        () => {
          // Looked at first: it may say its last word and end in between.
          const running = alive(pid)
          return lines().find((line) => /^(OK|FAIL|SKIP)\b/.test(line)) ?? (!running && `DIED after ${JSON.stringify(lines())}`)
        },
        seconds,
      )
      await waitFor(`the end of ${name} ${pid}`, () => !alive(pid))
      return last
    },
    discard: () => discard(base),
    gone: async () => {
      await waitFor(`PID ${pid} of ${name} to be free`, () => !existsSync(`/proc/${pid}`))
    },
  }
}

/** Compiles and starts test/victims/NAME.c and waits until it says READY. */
export async function start(name: string, options: Start = {}): Promise<Victim> {
  const compiled = compileVictim(name, options.linkage)
  const base = scratch(name, options.on)
  const program = options.on === undefined ? compiled : join(base, name)
  if (program !== compiled) copyFileSync(compiled, program)
  const folder = inside(base, "work")
  const victim = launch(name, [program, join(folder, options.ask ?? "../ask"), ...(options.args ?? [])], { ...options, base })
  await waitFor(`READY of ${name}`, () => victim.lines().some((line) => /^(READY|FAIL|SKIP)/.test(line)) || !alive(victim.pid))
  return victim
}

/**
 * True when the victim set itself up; false when it says that this machine lacks what it needs, and the test is skipped.
 *
 * @throws Error when it failed
 */
export function isReady(victim: Victim): boolean {
  const [first = "nothing"] = victim.lines()
  if (first === "READY") return true
  if (first.startsWith("SKIP")) return skip(`${victim.name}: ${first.replace(/^SKIP /, "")}`) ?? false
  throw new Error(`${victim.name} did not start: ${first} (${threadsOf(victim.pid).length} threads)`)
}
