import { expect, test } from "bun:test"
import { decodeBytes, decodeEscapes, encodeText, lines, words } from "../../src/proc/text.ts"

test.each([
  ["ASCII", Buffer.from("/tmp/x")],
  ["UTF-8", Buffer.from("/tmp/žluť 🚀")],
  ["Latin-1", Buffer.of(0x2f, 0xe9, 0x74, 0xe9)],
  ["UTF-8 beside broken bytes", Buffer.of(0xc3, 0xa9, 0xff, 0x61, 0x80)],
  ["nothing", Buffer.alloc(0)],
])("encodeText gives back the bytes that decodeBytes was given: %s", (_, bytes) => {
  expect(encodeText(decodeBytes(bytes))).toEqual(bytes)
})

test("decodeBytes marks broken UTF-8 as not well formed", () => {
  expect(decodeBytes(Buffer.of(0xff)).isWellFormed()).toBe(false)
  expect(decodeBytes(Buffer.from("ž")).isWellFormed()).toBe(true)
})

test("decodeEscapes undoes octal and letters, and leaves other backslashes", () => {
  expect(decodeEscapes("a\\040b\\134c\\n\\\\012\\x")).toBe("a b\\c\n\\012\\x")
})

test("lines and words accept empty text", () => {
  expect([lines(""), lines("a"), lines("a\n\n")]).toEqual([[], ["a"], ["a", ""]])
  expect([words(" "), words(" a\t b ")]).toEqual([[], ["a", "b"]])
})
