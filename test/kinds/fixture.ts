import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { holdInterrupts } from "../../ffi/interrupt.ts"
import { decode } from "../../proto/decode.ts"
import { encode } from "../../proto/encode.ts"
import type { Schema } from "../../proto/schema.ts"
import { remoteAddress } from "../../src/base/units.ts"
import { readMaps } from "../../src/proc/maps.ts"
import { readStatus } from "../../src/proc/status.ts"
import { listThreads } from "../../src/proc/tasks.ts"
import type { FrozenProcess } from "../../src/tracee/frozen.ts"
import { findGadgets } from "../../src/tracee/gadgets.ts"
import { liveTasks } from "../../src/tracee/lists.ts"
import { loanSize } from "../../src/tracee/placement.ts"
import { type Answers, type Data, Program, type Result } from "../../src/tracee/program.ts"
import { seizeProcess } from "../../src/tracee/seize.ts"
import { chooseStubSignal, signalUse } from "../../src/tracee/stub-signal.ts"
import { deadlineIn } from "../../src/tracee/wait.ts"
import { compileFixture, compiler } from "../harness/compile.ts"
import { scratch } from "../harness/folders.ts"
import { borrow } from "../tracee/borrow.ts"

/** True where victims can be compiled and seized. */
export const canRun = compiler() !== undefined && process.getuid?.() === 0
/** Appended to the names of live tests that are skipped. */
export const why = canRun ? "" : " (skipped: needs root and a C compiler)"

const DEADLINE = 10 // s

/** A program of this folder, running. Disposal kills it. */
export interface Fixture extends Disposable {
  readonly pid: number
  /** The numbers that it printed when it was ready, by name: "name value" lines. */
  readonly says: ReadonlyMap<string, string>
}

/**
 * $0 with the argument $1 and its output in $2, as a child of nobody that Bun would wait for; says its PID. It begins when the shell
 * between, $3, has ended: the signal of that parent's end (PR_SET_PDEATHSIG) would end it.
 */
const ORPHAN = `echo $$; exec >"$2" 2>&1 </dev/null; while [ -d "/proc/$3" ]; do sleep 0.005; done; exec "$0" $1`

/** Starts a fixture and waits until it says "ready". */
export async function startFixture(name: string, argument = ""): Promise<Fixture> {
  const program = compileFixture(`kinds/${name}.c`)
  const output = join(scratch(name), "output")
  writeFileSync(output, "")
  const { stdout } = Bun.spawnSync(["sh", "-c", `sh -c "$3" "$0" "$1" "$2" $$ &`, program, argument, output, ORPHAN], { stdin: "ignore" })
  const pid = Number(stdout.toString())
  const end = performance.now() + DEADLINE * 1000
  for (;;) {
    const text = readFileSync(output, "utf8")
    if (text.includes("ready\n")) {
      const says = new Map(text.split("\n").map((line) => [line.slice(0, line.indexOf(" ")), line.slice(line.indexOf(" ") + 1)]))
      return { pid, says, [Symbol.dispose]: () => kill(pid) }
    }
    if (performance.now() > end) {
      kill(pid)
      throw new Error(`${name} (${pid}) is not ready: ${text}`)
    }
    await Bun.sleep(5)
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL")
  } catch {
    // it ended by itself
  }
}

/**
 * Freezes a process, runs one program in each of its threads, and lets `look` see the answers while it is still frozen.
 *
 * @param write fills the program of one thread
 */
export function inside<Q, T>(
  pid: number,
  write: (program: Program, tid: number) => Q,
  look: (thread: Asked<Q>, frozen: FrozenProcess) => T,
): T[] {
  using _ = holdInterrupts()
  const deadline = deadlineIn(DEADLINE)
  using frozen = seizeProcess(pid, deadline, liveTasks)
  const programs = new Map(frozen.threads.map(({ tid }) => [tid, new Program()]))
  const questions = new Map([...programs].map(([tid, program]) => [tid, write(program, tid)]))
  const maps = readMaps(pid)
  const gadgets = findGadgets(
    pid,
    maps.filter(({ exec, path }) => exec && path.startsWith("/")),
  )
  const stack = maps.find(({ path }) => path === "[stack]")
  const statuses = listThreads(pid).map((tid) => readStatus(pid, tid))
  const stubSignal = chooseStubSignal(signalUse(statuses))
  if (!gadgets || !stack || !stubSignal) throw new Error("the fixture has no gadgets, stack or free signal")
  using loan = borrow(
    frozen,
    { gadgets, framePages: remoteAddress(stack.start), stubSignal },
    loanSize(frozen, [...programs.values()]),
    () => deadline,
  )
  const answers = loan.run(programs)
  return [...questions].map(([tid, question]) => look({ tid, question, answers: answers.get(tid)! }, frozen))
}

/** One thread and what it answered. */
export interface Asked<Q> {
  readonly tid: number
  readonly question: Q
  readonly answers: Answers
}

/** As `inside`, for programs whose answers do not matter. */
export const perform = (pid: number, write: (program: Program, tid: number) => void): void => {
  inside(pid, write, () => undefined)
}

/** A message after its way through an image: what is lost there is lost here. */
export const throughBytes = <T extends object>(schema: Schema<T>, message: NoInfer<T>): T => decode(schema, encode(schema, message))

/** Answers that were never given by a kernel: results by record, data as bytes. */
export const answersOf = (results: ReadonlyMap<Result, bigint>, data: ReadonlyMap<Data, Uint8Array> = new Map()): Answers => ({
  of: (result) => results.get(result) ?? 0n,
  bytes: (place) => data.get(place) ?? new Uint8Array(place.size),
})
