import { expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { openPlaces } from "../../../src/flow/rseq/place.ts"
import { readMaps } from "../../../src/proc/maps.ts"

test("openPlaces reads as much of a file as is asked for: tables of symbols are long", () => {
  const mappings = readMaps(process.pid)
  const length = 1 << 20
  const own = mappings.find(({ path, start, end }) => path === process.execPath && Number(end - start) > length)!
  using places = openPlaces(mappings, ({ path }) => [path])
  const at = Number(own.offset)
  expect(Buffer.from(places.read(own.start, length)!).equals(readFileSync(own.path).subarray(at, at + length))).toBe(true)
})
