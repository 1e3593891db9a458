import { expect, test } from "bun:test"
import { failures, pattern, skippedFiles } from "../harness/junit.ts"

const report = `<testsuites tests="4" failures="2">
  <testsuite name="test/a.test.ts">
    <testcase name="in &amp; &lt; &quot;x&quot; (1)" classname="outer" file="test/a.test.ts" line="2">
      <failure type="AssertionError" message="short">long&#10;of it&#10;</failure>
    </testcase>
    <testcase name="ok" classname="outer" file="test/a.test.ts" assertions="0" />
    <testcase name="slow" file="test/b.test.ts">
      <failure type="TimeoutError" message="test timed out" />
    </testcase>
    <testcase name="later" file="test/b.test.ts"><skipped /></testcase>
  </testsuite>
</testsuites>`

test("failed tests are read from a report", () => {
  expect(failures(report)).toEqual([
    { file: "test/a.test.ts", name: 'in & < "x" (1)', text: "long\nof it" },
    { file: "test/b.test.ts", name: "slow", text: "test timed out" },
  ])
})

test("files of skipped tests are read from a report", () => {
  expect([...skippedFiles(report)]).toEqual([["test/b.test.ts", 1]])
})

test("a pattern finds the names and no others", () => {
  const found = new RegExp(pattern(["n (1)", "a/b-c"]))
  expect(["outer n (1)", "n (1)", "x a/b-c"].every((name) => found.test(name))).toBe(true)
  expect(["n 1", "nn (1)", "n (1) more", "xa/b-c"].some((name) => found.test(name))).toBe(false)
})
