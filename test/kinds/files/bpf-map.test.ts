import { afterAll, describe, expect, test } from "bun:test"
import { BPF, BPF_MAP_TYPE, bpfElement, bpfMapCreate } from "../../../ffi/abi/bpf.ts"
import { encode } from "../../../ffi/layout.ts"
import { allocate, attempt, isFailure } from "../../../ffi/syscall.ts"
import type { bpfmap_file_entry } from "../../../proto/gen/bpfmap-file_pb.ts"
import { fd_types, type file_entry } from "../../../proto/gen/fdinfo_pb.ts"
import { bpfMapDifferences } from "../../../src/flow/verify/contents.ts"
import { Aliases } from "../../../src/image/compare.ts"
import { readOneByOne } from "../../../src/kinds/files/bpf-map/ask.ts"
import { collectBpfMap, isBpfMap, refuseBpfMap } from "../../../src/kinds/files/bpf-map/collect.ts"
import { checkContents } from "../../../src/kinds/files/bpf-map/restore.ts"
import { checkFiles } from "../../../src/kinds/files/check.ts"
import type { Found } from "../../../src/kinds/files/collecting.ts"
import type { BpfMapData } from "../../../src/kinds/files/payloads.ts"
import { scanOwn } from "../../../src/kinds/files/scan.ts"
import { parseFdInfo } from "../../../src/proc/fdinfo.ts"
import { skip } from "../../harness/skip.ts"
import { close, fown, imagesOf, ownCollecting, plansOf } from "./plans.ts"

const u32 = (...numbers: number[]) => new Uint8Array(Uint32Array.from(numbers).buffer)
const memory = allocate(4096)

/** bpf(2) of our own. */
function bpf(command: number, attr: Uint8Array): number {
  memory.bytes.set(attr)
  return attempt("bpf", command, memory.address, attr.length)
}

const MOST = 5000
const hash = bpf(BPF.MAP_CREATE, encode(bpfMapCreate, { map_type: BPF_MAP_TYPE.HASH, key_size: 4, value_size: 300, max_entries: MOST }))
const allowed = !isFailure(hash)
if (!allowed) skip("a BPF map of our own may not be made here")
afterAll(() => {
  if (allowed) close(hash)
})

test.skipIf(!allowed)("collectBpfMap reads more than one batch, and the same as one by one", () => {
  for (let key = 0; key < MOST; key++) {
    memory.bytes.set(u32(key, key * 7), 2048)
    const element = { map_fd: hash, key: memory.address + 2048, value: memory.address + 2052 }
    expect(bpf(BPF.MAP_UPDATE_ELEM, encode(bpfElement, element))).toBe(0)
  }
  const found = scanOwn(hash)
  expect(isBpfMap(found)).toBe(true)
  expect(refuseBpfMap(found, { usedBpfMaps: new Map() })).toBeUndefined()
  const bpfMapsData = new Map<number, BpfMapData>()
  const entry = collectBpfMap({ ...found, id: 7 }, { ...ownCollecting(), bpfMapsData })
  expect(entry).toMatchObject({
    id: 7,
    map_type: 1,
    key_size: 4,
    value_size: 300,
    max_entries: MOST,
    map_flags: 0,
    frozen: false,
    map_name: "",
  })
  const data = bpfMapsData.get(entry.map_id)
  expect(data?.message).toEqual({ map_id: entry.map_id, keys_bytes: 4 * MOST, values_bytes: 300 * MOST, count: MOST })
  const { payload } = data as BpfMapData
  const view = new DataView(payload.buffer)
  const batches = new Map(Array.from({ length: MOST }, (_, i) => [view.getUint32(4 * i, true), view.getUint32(4 * MOST + 300 * i, true)]))
  expect([...batches].every(([key, value]) => value === key * 7)).toBe(true)
  const single = new Map<number, number>()
  const word = (bytes: Uint8Array): number => new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true)
  readOneByOne(hash, { keySize: 4, valueSize: 300, most: MOST }, (key, value) => void single.set(word(key), word(value)))
  expect(single).toEqual(batches)
})

describe("refuseBpfMap", () => {
  const told = (map_type: number): Pick<Found, "info" | "target"> => ({
    target: "anon_inode:bpf-map",
    info: parseFdInfo(`pos:\t0\nflags:\t02\nmnt_id:\t1\nmap_type:\t${map_type}\nmap_id:\t5\nmemlock:\t440\n`),
  })
  test("names types that it cannot keep", () => {
    expect(refuseBpfMap(told(9), { usedBpfMaps: new Map() })?.what).toBe(
      'BPF map 5 ("anon_inode:bpf-map") of type LRU_HASH: only HASH and ARRAY can be kept',
    )
    expect(refuseBpfMap(told(99), { usedBpfMaps: new Map() })?.what).toContain("of type 99")
  })
  test("names the program that uses one", () =>
    expect(refuseBpfMap(told(1), { usedBpfMaps: new Map([[5, { id: 8, name: "count" }]]) })?.what).toContain('program 8 "count" uses'))
})

const entryOf = (more: Partial<bpfmap_file_entry>, id = 7): file_entry => ({
  type: fd_types.BPFMAP,
  id,
  bpf: {
    id,
    flags: 2,
    pos: 0n,
    fown,
    map_type: BPF_MAP_TYPE.HASH,
    key_size: 4,
    value_size: 2,
    map_id: 40,
    max_entries: 3,
    map_flags: 1,
    memlock: 440n,
    frozen: false,
    map_name: "name",
    ifindex: 0,
    ...more,
  },
})
const dataOf = (payload: readonly number[], count: number, map_id = 40): BpfMapData => ({
  message: { map_id, keys_bytes: 4 * count, values_bytes: 2 * count, count },
  payload: Uint8Array.from(payload),
})
const two = dataOf([1, 0, 0, 0, 2, 0, 0, 0, 11, 12, 21, 22], 2)
const turned = dataOf([2, 0, 0, 0, 1, 0, 0, 0, 21, 22, 11, 12], 2, 41)

describe("restoreBpfMap", () => {
  const callsOf = (places: Parameters<typeof imagesOf>[0], bpfMapsData: BpfMapData[] = []): string[] =>
    plansOf(imagesOf(places, { bpfMapsData })).open.map((line) =>
      line.replace(/^#\d+ (\w+)\(([^,]*).*\/\/ (.*)$/, "$1 $2: $3").replace(/^#\d+ /, ""),
    )
  const text = 'BPF map 40 "name"'
  // Before Linux 5.11 maps count as locked memory, of which the new process may have little.
  const room = "prlimit64(0, 8, 0, room[16])"
  const made = [room, expect.stringMatching(/^prlimit64\(0, 8, .* = any$/), `bpf 0: ${text}`, "prlimit64(0, 8, room[16], 0)"]
  test("makes a map, fills it at its number and freezes it", () =>
    expect(callsOf({ 5: entryOf({ frozen: true }) }, [two])).toEqual([
      ...made,
      "dup3 #3: fd 5",
      `bpf 0x1a: the content of ${text}`,
      `bpf 0x16: ${text}`,
      "dup3 #3: fd 5",
      "close(#3)",
    ]))
  test("opens it again for another file, and for one that may only read", () =>
    expect(callsOf({ 5: entryOf({ flags: 0 }), 6: entryOf({ flags: 1 }, 8) })).toEqual([
      ...made,
      "dup3 #4: fd 5",
      "close(#4)",
      `bpf 0xf: ${text}`,
      `bpf 0xe: another open file of ${text}`,
      "dup3 #9: fd 5",
      "close(#9)",
      `bpf 0xf: ${text}`,
      `bpf 0xe: another open file of ${text}`,
      "dup3 #13: fd 6",
      "close(#13)",
    ]))
})

describe("checkFiles", () => {
  const options = { fileChanged: "fail", fileValidation: "filesize", skipRwxCheck: false, buildIdOf: () => [], shellJob: false } as never
  const check =
    (more: Partial<bpfmap_file_entry>, data: BpfMapData = two) =>
    () =>
      checkFiles([imagesOf({ 5: entryOf(more) }, { bpfMapsData: [data] })], new Set(), options)
  test("refuses more content than a program can carry", () => {
    const payload = { length: 2 ** 29 } as Uint8Array
    expect(() => checkContents([{ ...two, payload }])).toThrow("Cannot restore the BPF maps of this set")
    expect(() => checkContents([two, turned])).not.toThrow()
  })
  test("takes a map and its content", () => expect(check({})).not.toThrow())
  const corrupt: readonly (readonly [string, Partial<bpfmap_file_entry>, BpfMapData?])[] = [
    ["another type", { map_type: 9 }],
    ["no key", { key_size: 0 }],
    ["no room", { max_entries: 0 }],
    ["a long name", { map_name: "sixteen letters!" }],
    ["more than there is room for", { max_entries: 1 }],
    ["content of other sizes", { value_size: 3 }],
  ]
  for (const [title, more, data] of corrupt)
    test(`refuses ${title}`, () => expect(check(more, data)).toThrow("Cannot restore BPF map 40 of files.img"))
})

test("bpfMapDifferences takes entries in any order, and tells other values, others missing, and a map that is", () => {
  const differences = (now: readonly BpfMapData[]): string[] => {
    const aliases = new Aliases()
    aliases.unite("map", 40n, 41n)
    return bpfMapDifferences([two], now, aliases)
  }
  expect(differences([turned])).toEqual([])
  expect(differences([{ ...turned, payload: turned.payload.with(9, 99) }])).toEqual(["BPF map 40: 1 of 2 entries have other values"])
  expect(differences([dataOf([1, 0, 0, 0, 11, 12], 1, 41)])).toEqual(["BPF map 40: had 2 entries, has 1"])
  expect(differences([])).toEqual(["BPF map 40: is missing"])
})
