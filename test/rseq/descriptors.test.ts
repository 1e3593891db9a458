import { expect, test } from "bun:test"
import { type DescribedSection, describedSections } from "../../src/rseq/descriptors.ts"

const [AT, CODE] = [0x7f0000010000n, { start: 0x7f0000000000n, end: 0x7f0000001000n }] as const

/** Memory with one struct rseq_cs at an offset. */
function memory(offset: number, version: number, ...words: readonly [start: bigint, length: bigint, abort: bigint]): Uint8Array {
  const bytes = new Uint8Array(256)
  const view = new DataView(bytes.buffer)
  view.setUint32(offset, version, true)
  for (const [index, word] of words.entries()) view.setBigUint64(offset + 8 + 8 * index, word, true)
  return bytes
}

const start = CODE.start + 0x10n
const sections: readonly (readonly [string, Uint8Array, DescribedSection[]])[] = [
  ["nothing", new Uint8Array(256), []],
  [
    "one, aligned to 8 bytes",
    memory(40, 0, start, 0x20n, CODE.start + 0x30n),
    [{ descriptor: AT + 40n, startIp: start, endIp: start + 0x20n, abortIp: CODE.start + 0x30n }],
  ],
  [
    "the last place of all, to the end of the code, its abort handler in front",
    memory(224, 0, CODE.end - 1n, 1n, CODE.start),
    [{ descriptor: AT + 224n, startIp: CODE.end - 1n, endIp: CODE.end, abortIp: CODE.start }],
  ],
  ["another version", memory(64, 1, start, 0x20n, CODE.start + 0x30n), []],
  ["no length", memory(64, 0, start, 0n, CODE.start + 0x30n), []],
  ["beyond the code", memory(64, 0, start, 0x1000n, CODE.start), []],
  ["start elsewhere", memory(64, 0, CODE.end, 1n, CODE.start), []],
  ["abort handler elsewhere", memory(64, 0, start, 0x20n, CODE.end), []],
  ["abort handler inside", memory(64, 0, start, 0x20n, start + 0x1fn), []],
]
for (const [title, bytes, expected] of sections)
  test(`describedSections: ${title}`, () => {
    expect(describedSections(bytes, AT, CODE)).toEqual(expected)
  })
