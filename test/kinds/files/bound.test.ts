import { expect, test } from "bun:test"
import { isAdrift } from "../../../src/kinds/files/socket/unix/bound.ts"

test.each([
  ["/run/server", "/run/elsewhere", false],
  ["server", "/run/server", false],
  [".//server", "/run/server", false],
  ["sub/server", "/run/sub/server (deleted)", false],
  ["server", "/run/elsewhere", true],
  ["server", "/run/other-server", true],
  ["../server", "/run/server", true],
])("isAdrift: %s, whose file is %s: %p", (name, target, adrift) => {
  expect(isAdrift(Buffer.from(`${name}\0`), { target })).toBe(adrift)
})
