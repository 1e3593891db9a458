import { describe, expect, test } from "bun:test"
import { idHere, isMapped, parseIdMap, readOwnIds } from "../../src/proc/idmap.ts"

describe("parseIdMap", () => {
  test("reads the kernel's lines, and none where nothing is mapped", () => {
    expect(parseIdMap("         0       1234          1\n         1     100000      65536\n")).toEqual([
      { inside: 0, outside: 1234, count: 1 },
      { inside: 1, outside: 100000, count: 65536 },
    ])
    expect(parseIdMap("")).toEqual([])
  })

  test("of this process maps its own IDs", () => {
    const { uids, gids } = readOwnIds()
    expect(isMapped(process.getuid?.() ?? 0, uids)).toBe(true)
    expect(isMapped(process.getgid?.() ?? 0, gids)).toBe(true)
  })
})

describe("idHere", () => {
  const map = [
    { inside: 0, outside: 1234, count: 1 },
    { inside: 1, outside: 100000, count: 10 },
  ]
  test("leaves what exists here", () => expect([0, 1, 10].map((id) => idHere(id, map))).toEqual([0, 1, 10]))
  test("takes what exists above for the same user", () => expect([1234, 100000, 100009].map((id) => idHere(id, map))).toEqual([0, 1, 10]))
  test("leaves what exists nowhere", () => expect([11, 1235, 100010].map((id) => idHere(id, map))).toEqual([11, 1235, 100010]))
  test("changes nothing where every ID is its own", () => {
    expect(idHere(1234, [{ inside: 0, outside: 0, count: 4294967295 }])).toBe(1234)
  })
})
