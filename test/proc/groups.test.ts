import { expect, test } from "bun:test"
import { parseGroups4, parseGroups6 } from "../../src/proc/groups.ts"

const IGMP = `Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter
1\tlo        :     2      V3
\t\t\t\t030201EF     1 0:00000000\t\t0
\t\t\t\t010000E0     1 0:00000000\t\t0
12\teth0      :     1      V3
\t\t\t\t010000E0     1 0:00000000\t\t0
`

test("parseGroups4 has the device of each group, and addresses in network order", () => {
  expect(parseGroups4(IGMP)).toEqual([
    { index: 1, address: Uint8Array.of(239, 1, 2, 3) },
    { index: 1, address: Uint8Array.of(224, 0, 0, 1) },
    { index: 12, address: Uint8Array.of(224, 0, 0, 1) },
  ])
  expect(parseGroups4("")).toEqual([])
})

test("parseGroups6 has the device of each group", () => {
  const [group, none] = parseGroups6("4    eth0            ff0200000000000000000001ff000002     1 00000004 0\n")
  expect(none).toBeUndefined()
  expect(group?.index).toBe(4)
  expect(group?.address).toEqual(Uint8Array.of(0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 2))
  expect(parseGroups6("")).toEqual([])
})
