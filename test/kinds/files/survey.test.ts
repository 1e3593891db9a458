import { expect, test } from "bun:test"
import { openFolders } from "../../../src/kinds/files/scan.ts"
import { describeRefused, type Refused, stillRefused } from "../../../src/kinds/files/survey.ts"
import { failureOf } from "../../harness/failure.ts"

const refused = (pid: number, fd: number, what: string) => ({ by: { pid, fd }, reason: { what, remedy: "close it" } }) as unknown as Refused

test("what a later look no longer finds was passing by: another number, process or reason is another object", () => {
  const first = [refused(7, 3, "a socket 1"), refused(7, 4, "a socket 2"), refused(8, 3, "a socket 1")]
  const later = [refused(7, 3, "a socket 9"), refused(7, 4, "a socket 2"), refused(8, 4, "a socket 1"), refused(9, 3, "a socket 1")]
  expect(stillRefused(first, later)).toEqual([refused(7, 4, "a socket 2")])
  expect(stillRefused(first, [])).toEqual([])
})

test("descriptors of one process with one reason make one line", () => {
  const lines = describeRefused([refused(7, 3, "a socket"), refused(7, 4, "a socket"), refused(8, 3, "a socket")])
  expect(lines.map(({ where }) => where)).toEqual(["task 7 fd 3, 4", "task 8 fd 3"])
})

test("a process that ends while its descriptors are looked for has ended, and that is no failed call", () =>
  expect(failureOf(() => openFolders(1073741823))).toMatchObject({ code: "E_NO_PROCESS" }))
