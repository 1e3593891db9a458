import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { type RemoteAddress, remoteAddress } from "../../src/base/units.ts"
import { untouchedPages } from "../../src/flow/dump/frame-pages.ts"
import { codeRanges } from "../../src/flow/dump/terms.ts"
import { readMaps } from "../../src/proc/maps.ts"
import { readSmaps } from "../../src/proc/smaps.ts"
import { readStatus } from "../../src/proc/status.ts"
import { listThreads } from "../../src/proc/tasks.ts"
import type { FrozenProcess } from "../../src/tracee/frozen.ts"
import { findGadgets } from "../../src/tracee/gadgets.ts"
import { framePagesSize, type LoanTerms } from "../../src/tracee/host.ts"
import { liveTasks } from "../../src/tracee/lists.ts"
import type { Loan } from "../../src/tracee/loan.ts"
import { readMemory } from "../../src/tracee/memory.ts"
import { loanSize } from "../../src/tracee/placement.ts"
import type { Program } from "../../src/tracee/program.ts"
import { seizeProcess } from "../../src/tracee/seize.ts"
import { chooseStubSignal, signalUse } from "../../src/tracee/stub-signal.ts"
import { deadlineIn, patienceOf } from "../../src/tracee/wait.ts"
import { compileFixture, compiler } from "../harness/compile.ts"
import { waitFor } from "../harness/deadline.ts"
import { scratch } from "../harness/folders.ts"
import { borrow } from "./borrow.ts"

/** True where targets can be compiled and traced. */
export const canTrace = compiler() !== undefined && process.getuid?.() === 0
/** Appended to the names of tests that are skipped. */
export const why = canTrace ? "" : " (skipped: needs root and a C compiler)"

const DEADLINE = 20 // s

/** What the threads of a target in mode "states" counted. */
export interface Board {
  readonly spins: number
  readonly sleeps: number
  readonly passes: number
  readonly errors: number
  readonly interrupted: number
}

/** A running target.c. Not a child of the test: whoever traces it must be free to wait for it. Disposal kills it. */
export interface Target extends Disposable {
  readonly pid: number
  /** An address that it printed. @throws Error for a name that it did not print */
  at(name: string): bigint
  board(): Board
}

/** Starts target.c in one of its modes and waits until it is ready. */
export async function startTarget(...words: string[]): Promise<Target> {
  const folder = scratch("tracee-run")
  const output = join(folder, "output")
  writeFileSync(output, "")
  const script = `cd "${folder}"; setsid "$0" "$@" >"${output}" 2>&1 </dev/null & echo $!`
  const { stdout } = Bun.spawnSync(["sh", "-c", script, compileFixture("tracee/target.c"), ...words], { stdin: "ignore" })
  const pid = Number(stdout.toString())
  const text = await waitFor("target.c to be ready", () => {
    const said = readFileSync(output, "utf8")
    return said.includes("ready\n") && said
  })
  const addresses = new Map([...text.matchAll(/^(\w+) (0x[0-9a-f]+)$/gm)].map(([, name = "", value = ""]) => [name, BigInt(value)]))
  const at = (name: string): bigint => {
    const address = addresses.get(name)
    if (address === undefined) throw new Error(`target.c did not print "${name}": ${text}`)
    return address
  }
  return {
    pid,
    at,
    board() {
      const bytes = readMemory(pid, remoteAddress(at("board")), 40)
      const [spins = 0n, sleeps = 0n, passes = 0n, errors = 0n, interrupted = 0n] = new BigUint64Array(bytes.buffer)
      const numbers = { spins, sleeps, passes, errors, interrupted }
      return Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, Number(value)])) as unknown as Board
    },
    [Symbol.dispose]() {
      try {
        process.kill(pid, "SIGKILL")
      } catch {
        // it ended by itself
      }
    },
  }
}

/** Stops every thread of a process, as a dump does. */
export const freeze = (pid: number): FrozenProcess => seizeProcess(pid, deadlineIn(DEADLINE), liveTasks)

/** What a frozen process lends. @throws Error where it has no gadgets, room or free signal */
export function termsOf(frozen: FrozenProcess): LoanTerms & { framePages: RemoteAddress } {
  const { pid } = frozen
  const gadgets = findGadgets(pid, codeRanges(readMaps(pid)))
  const framePages = untouchedPages(
    pid,
    readSmaps(pid),
    framePagesSize(frozen),
    frozen.threads.map(({ registers }) => registers.sp),
    true,
  )
  const statuses = listThreads(pid).map((tid) => readStatus(pid, tid))
  const stubSignal = chooseStubSignal(signalUse(statuses))
  if (!gadgets || !framePages || !stubSignal) throw new Error(`process ${pid} has no gadgets, room or free signal`)
  return { gadgets, framePages, stubSignal }
}

/** Borrows room for one run of these programs. */
export const lend = (frozen: FrozenProcess, programs: ReadonlyMap<number, Program>, terms = termsOf(frozen)): Loan & Disposable =>
  borrow(frozen, terms, loanSize(frozen, [...programs.values()]), patienceOf(DEADLINE))

/** One program for each thread. */
export const perThread = (frozen: FrozenProcess, make: (tid: number) => Program): Map<number, Program> =>
  new Map(frozen.threads.map(({ tid }) => [tid, make(tid)]))
