import { describe, expect, test } from "bun:test"
import { join } from "node:path"

interface Answer {
  readonly signal: string
  readonly status: number | null
  readonly said: Record<string, unknown>
}

/** Runs ./interrupted.ts to its end. */
function child(...words: string[]): Answer {
  const { stdout, exitCode, signalCode } = Bun.spawnSync([process.execPath, join(import.meta.dir, "interrupted.ts"), ...words], {
    stdin: "ignore",
    timeout: 20_000,
  })
  return { signal: `${signalCode ?? ""}`, status: exitCode, said: JSON.parse(stdout.toString()) as Record<string, unknown> }
}

const EINTR = -4

describe("holdInterrupts", () => {
  for (const [name, number] of [
    ["SIGINT", 2],
    ["SIGTERM", 15],
    ["SIGHUP", 1],
    ["SIGQUIT", 3],
  ] as const)
    test(`${name} is noted and does not end the tool; blocking calls end by themselves`, () => {
      const { status, said } = child("held", name)
      expect({ status, before: said.before, noted: said.noted }).toEqual({ status: 0, before: 0, noted: number })
      for (const wait of [said.quiet, said.after] as { answer: number; milliseconds: number }[]) {
        expect(wait.answer).toBe(EINTR)
        expect(wait.milliseconds).toBeLessThan(5000)
      }
    })

  test("after disposal the signal does what it did before", () => {
    expect(child("released", "SIGTERM")).toMatchObject({ signal: "SIGTERM", said: { noted: 0 } })
  })

  test("SIGXFSZ does not end the tool and is no wish to stop", () => {
    expect(child("limit")).toMatchObject({ status: 0, said: { answer: 0, noted: 0 } })
  })
})
