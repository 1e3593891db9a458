import { readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { remoteAddress } from "../../src/base/units.ts"
import { readMemory, writeMemory } from "../../src/tracee/memory.ts"
import { compileFixture, compiler } from "../harness/compile.ts"
import { waitFor } from "../harness/deadline.ts"
import { scratch } from "../harness/folders.ts"

/** Whether the fixture can be built here. */
export const canCompile = compiler() !== undefined

/** One thread's words in the fixture, see struct slot in section.c. */
export interface Slot {
  readonly tid: number
  readonly wanted: number
  readonly entered: number
  readonly aborts: number
  readonly finished: number
  readonly release: number
}
const WORDS = ["tid", "wanted", "entered", "aborts", "finished", "release"] as const
const SLOT_SIZE = 4 * WORDS.length

/** A running section.c. Not a child of the test: whoever traces it must be free to wait for it. */
export interface Fixture extends Disposable {
  readonly pid: number
  readonly program: string
  readonly start: bigint
  readonly end: bigint
  readonly abort: bigint
  read(slot: number): Slot
  write(slot: number, word: (typeof WORDS)[number], value: number): void
}

/** Starts section.c. `words`: flags of the section, and how to use it. */
export async function startFixture(...words: string[]): Promise<Fixture> {
  const program = compileFixture("rseq/section.c")
  const output = join(scratch("rseq-run"), "output")
  const { stdout } = Bun.spawnSync(["sh", "-c", `setsid "$0" "$@" >"${output}" 2>&1 </dev/null & echo $!`, program, ...words])
  const pid = Number(stdout.toString())
  const line = await waitFor(
    "the addresses of section.c",
    () => statSync(output).size > 0 && /^.*\n/.exec(readFileSync(output, "utf8"))?.[0],
  )
  const [slots = 0n, start = 0n, end = 0n, abort = 0n] = line.trim().split(" ").map(BigInt)
  const at = (slot: number, word: number) => remoteAddress(slots + BigInt(slot * SLOT_SIZE + 4 * word))
  return {
    pid,
    program,
    start,
    end,
    abort,
    read(slot) {
      const bytes = readMemory(pid, at(slot, 0), SLOT_SIZE)
      const words = new Uint32Array(bytes.buffer, bytes.byteOffset, WORDS.length)
      return Object.fromEntries(WORDS.map((word, index) => [word, words[index]])) as unknown as Slot
    },
    write: (slot, word, value) => writeMemory(pid, at(slot, WORDS.indexOf(word)), new Uint8Array(Uint32Array.of(value).buffer)),
    [Symbol.dispose]() {
      try {
        process.kill(pid, "SIGKILL")
      } catch {
        // it ended by itself
      }
    },
  }
}
