import { describe, expect, test } from "bun:test"
import { KCMP } from "../../ffi/abi/file.ts"
import { KEY_REQKEY_DEFL_NO_CHANGE, KEY_SPEC, KEYCTL } from "../../ffi/abi/keys.ts"
import { askLandlock, isLandlocked, refuseLandlock } from "../../src/kinds/attributes/landlock.ts"
import { askKeyrings, refuseKeyrings, restoreSessionKeyring } from "../../src/kinds/creds/keyrings.ts"
import { surveyThreadNamespaces } from "../../src/kinds/tree/survey.ts"
import { Program } from "../../src/tracee/program.ts"
import { canCompile, evaluate } from "../ffi/compiled.ts"
import { answersOf } from "./fixture.ts"

test.skipIf(!canCompile)("constants of keyrings are the C compiler's", () => {
  const rows = [
    ...Object.entries(KEYCTL).map(([name, value]) => [`KEYCTL_${name}`, value] as const),
    ["KEY_REQKEY_DEFL_NO_CHANGE", KEY_REQKEY_DEFL_NO_CHANGE] as const,
    ...Object.entries(KEY_SPEC).map(([name, value]) => [`KEY_SPEC_${name}`, value] as const),
  ]
  const found = evaluate(
    ["linux/keyctl.h"],
    rows.map(([name]) => name),
  )
  expect(found.map(Number)).toEqual(rows.map(([, value]) => value))
})

describe("keyrings", () => {
  test("thread and process keyrings are refused by name; failures are none", () => {
    const questions = askKeyrings(new Program())
    const refused = (thread: bigint, process: bigint) =>
      refuseKeyrings(
        "task 5",
        answersOf(
          new Map([
            [questions.thread, thread],
            [questions.process, process],
          ]),
        ),
        questions,
      ).map(({ what }) => what)
    expect(refused(-126n, -126n)).toEqual([])
    expect(refused(-38n, 77n)).toEqual(["the holder of a process keyring"])
    expect(refused(5n, 77n)).toEqual(["the holder of a thread keyring", "the holder of a process keyring"])
  })

  /** What a process runs that a tool of user 0 restores. */
  function calls(saved: number | undefined, inherited: number | undefined, uid = 0): string[] {
    const program = new Program()
    restoreSessionKeyring(saved, inherited, uid, 0, program)
    return program.describe().map((line) => line.split(" //")[0] ?? "")
  }

  test("the same keyring as it is born with, or none on either side, stays", () => {
    expect(calls(7, 7)).toEqual([])
    expect(calls(undefined, undefined)).toEqual([])
  })

  test("another's is left: for the user's own where it has a name, else for an empty one", () => {
    expect(calls(undefined, 7)).toEqual(['#0 keyctl(1, "_uid_ses.0\\u0000")'])
    expect(calls(undefined, 7, 12345)).toEqual(["#0 keyctl(1, 0)"])
    expect(calls(8, 7)).toEqual(["#0 keyctl(1, 0)"])
    expect(calls(8, undefined)).toEqual(["#0 keyctl(1, 0)"])
  })
})

describe("Landlock", () => {
  test("who may not look at its witness is in a domain; who was not asked is not", () => {
    const program = new Program()
    expect(askLandlock(program, undefined)).toBeUndefined()
    const question = askLandlock(program, 77)!
    expect(program.describe()).toEqual([`#0 kcmp(0x4d, 0x4d, ${KCMP.FILES}, 0, 0) = any`])
    const judged = (answer: bigint) => isLandlocked(answersOf(new Map([[question, answer]])), question)
    expect([0n, -1n, -3n, -38n].map(judged)).toEqual([false, true, false, false])
    expect(isLandlocked(answersOf(new Map()), undefined)).toBe(false)
    expect(refuseLandlock("task 5").remedy).toContain("--landlock=drop")
  })
})

test("surveyThreadNamespaces names what differs from the leader", () => {
  const leader = new Map([
    ["uts", 1n],
    ["net", 2n],
  ])
  expect(surveyThreadNamespaces(5, leader, 6, new Map(leader))).toEqual([])
  expect(surveyThreadNamespaces(5, leader, 6, new Map([...leader, ["net", 3n] as const]))[0]).toMatchObject({
    what: "in another namespace than its process: net",
    where: "thread 6 of task 5",
  })
})
