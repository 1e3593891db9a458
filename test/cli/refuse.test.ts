import { describe, expect, test } from "bun:test"
import { CheckpointError } from "../../src/base/errors.ts"
import { CRIU_COMMANDS, isCommand } from "../../src/cli/commands.ts"
import { CRIU_OPTIONS } from "../../src/cli/criu-options.ts"
import { describe as describeFailure, format } from "../../src/cli/failure.ts"
import { findLetter, findOption, OPTIONS } from "../../src/cli/option-table.ts"
import { canonical } from "../../src/cli/spelling.ts"
import { nearest } from "../../src/cli/suggest.ts"

function refusal(words: readonly string[]): CheckpointError {
  try {
    canonical(words)
  } catch (error) {
    if (error instanceof CheckpointError) return error
    throw error
  }
  throw new Error(`"${words.join(" ")}" was accepted`)
}

describe("CRIU_OPTIONS", () => {
  const commands = ["dump", "restore", "check"] as const
  const refused = Object.entries(CRIU_OPTIONS).flatMap(([name, row]) =>
    (row.commands ?? commands).map((command) => ({ name, row, command })),
  )

  test("every option is refused by name with a remedy, as a flag and with a value", () => {
    for (const { name, row, command } of refused) {
      for (const spelled of [`--${name}`, `--${name}=value`, ...(row.short ? [`-${row.short}`, `-${row.short}value`] : [])]) {
        const { code, status, message, next } = refusal([command, spelled])
        expect({ spelled, code, status }).toEqual({ spelled, code: "E_OPTION_UNSUPPORTED", status: 2 })
        expect(message).toContain(`--${name}`)
        expect(message).toContain(row.does)
        expect(next).toBe(row.instead)
      }
    }
  })

  test("the negative form of a boolean is accepted, of an option with a value refused", () => {
    for (const { name, row, command } of refused) {
      if (row.boolean) expect(canonical([command, `--no-${name}`]).command).toBe(command)
      else expect(refusal([command, `--no-${name}`]).code).toBe("E_OPTION_UNSUPPORTED")
    }
  })

  test("no option is both ours and refused for the same command", () => {
    for (const { name, row, command } of refused) {
      expect(findOption(name, command)).toBeUndefined()
      if (row.short) expect(findLetter(row.short, command)).toBeUndefined()
    }
  })
})

test("OPTIONS has no name or letter twice for one command", () => {
  for (const command of ["dump", "restore", "rseq", "check", "show"] as const) {
    const rows = OPTIONS.filter((row) => row.commands.includes(command))
    const names = rows.flatMap(({ name, short }) => (short ? [name, short] : [name]))
    expect(names).toEqual([...new Set(names)])
  }
})

test("CRIU_COMMANDS are refused by name with a remedy", () => {
  for (const [command, instead] of Object.entries(CRIU_COMMANDS)) {
    expect(isCommand(command)).toBe(false)
    const { code, message, next } = refusal([command, "-t", "5"])
    expect(code).toBe("E_OPTION_UNSUPPORTED")
    expect(message).toContain(`"${command}" is a command of CRIU`)
    expect(next).toBe(instead)
  }
})

test.each([
  [["dump", "--leave-runing", "5"], "Did you mean --leave-running?"],
  [["dump", "--image-dir", "x", "5"], "Did you mean --images-dir?"],
  [["restore", "--restore-detach"], "Did you mean --restore-detached?"],
  [["dump", "--rseq", "5"], "Did you mean --rseq-discovery or --rseq-malformed?"],
  [["dump", "--frobnicate", "5"], 'See "stasis dump --help"'],
  [["rester"], "Did you mean restore?"],
  [["frobnicate"], 'See "stasis --help"'],
])("a mistyped %p gets a hint", (words, next) => {
  expect(refusal(words)).toMatchObject({ code: "E_USAGE", next })
})

test("nearest puts beginnings first and leaves out what is far", () => {
  expect(nearest("leave", ["sync", "leave-stopped", "leave-running", "weave"])).toEqual(["leave-running", "leave-stopped", "weave"])
  expect(nearest("x", ["json", "all"])).toEqual([])
})

describe("a very long word", () => {
  const long = "x".repeat(5000)
  test.each([
    ["a command", [long], /^"x{119}…x{62}" is not a command$/],
    ["an option", ["dump", `--${long}`], /^"--x+…x+" is not an option$/],
    ["no command", ["-o", long], /^No command is given beside "-o x+…x+"$/],
    ["a value that may be an option", ["dump", "-t", `-${long}`], /^-t is followed by "-x+…x+"$/],
  ] as const)("%s: its middle is left out", (_, words, found) => {
    const refused = refusal(words)
    expect(refused.found).toMatch(found)
    expect([refused.found, refused.next].every((line) => line.length <= 201)).toBe(true)
  })

  test("is cut between characters, and stays escaped", () => {
    const { error } = describeFailure(refusal([`${"\u001b[31m\u{1f600}".repeat(100)}`]))
    expect(error.found.isWellFormed()).toBe(true)
    expect(format({ error })).not.toContain("\u001b")
  })
})
