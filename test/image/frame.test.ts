import { describe, expect, test } from "bun:test"
import { CheckpointError } from "../../src/base/errors.ts"
import { catalog, type EntryImage, type EntryKind, type EntryOf, type Kind } from "../../src/image/catalog.ts"
import { fileName, imageOf } from "../../src/image/name.ts"
import { checkImage, decodeImage } from "../../src/image/read.ts"
import { encodeImage, type Framed } from "../../src/image/write.ts"
import { failureOf } from "../harness/failure.ts"
import { fullMessage } from "./messages.ts"
import { inventory } from "./sample.ts"

const kinds = Object.keys(catalog) as Kind[]
const entryKinds = kinds.filter((kind): kind is EntryKind => catalog[kind].framing !== "raw")
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

/** Where a message says how many bytes follow it: smaller numbers than `fullMessage` picks. */
const LENGTHS: Partial<Record<EntryKind, object>> = {
  "pipes-data": { bytes: 5 },
  "fifo-data": { bytes: 5 },
  "sk-queues": { length: 5 },
  "tcp-stream": { inq_len: 2, outq_len: 3 },
  "bpfmap-data": { keys_bytes: 4, values_bytes: 8 },
  "ipcns-sem": { nsems: 5 },
  "ipcns-msg": { qnum: 2 },
}
const message = (size: number, text: string): number[] => [4, 0, 0, 0, 8, 1, 16, size, ...Buffer.from(text)]
const PAYLOADS: Partial<Record<EntryKind, Uint8Array>> = {
  "pipes-data": Uint8Array.from(Buffer.from("hello")),
  "fifo-data": Uint8Array.from(Buffer.from("hello")),
  "sk-queues": Uint8Array.from(Buffer.from("hello")),
  "tcp-stream": Uint8Array.from(Buffer.from("hello")),
  "bpfmap-data": new Uint8Array(12),
  "ipcns-sem": new Uint8Array(16),
  "ipcns-msg": Uint8Array.from([...message(3, "abc\0\0\0\0\0"), ...message(8, "abcdefgh")]),
}

function framed<K extends EntryKind>(kind: K, seed: number): Framed<K> {
  const image: EntryImage = catalog[kind]
  const schema = seed === 0 ? image.head : image.entry
  const values = { ...fullMessage(schema, seed), ...LENGTHS[kind], ...(kind === "ghost-file" && seed > 0 ? { len: 3n } : {}) }
  const payload = PAYLOADS[kind] ?? (kind === "ghost-file" && seed > 0 ? Uint8Array.of(1, 2, 3) : new Uint8Array(0))
  return { message: values as EntryOf<K>, payload }
}

describe("encodeImage and decodeImage", () => {
  for (const kind of entryKinds) {
    test(`carry every field of ${kind}`, () => {
      const entries = [framed(kind, 0), framed(kind, 1), framed(kind, 2)]
      expect<unknown>(decodeImage(kind, "x.img", encodeImage(kind, entries), 2)).toEqual(entries)
    })
  }

  for (const kind of entryKinds)
    test(`checkImage refuses what decodeImage refuses of ${kind}`, () => {
      const bytes = encodeImage(kind, [framed(kind, 0), framed(kind, 1), framed(kind, 2)])
      checkImage(kind, "x.img", bytes, 2)
      const said = (step: () => unknown): unknown => {
        try {
          step()
        } catch (error) {
          return error
        }
      }
      const steps = Math.max(1, Math.floor(bytes.length / 200))
      for (let length = 0; length < bytes.length; length += steps) {
        const cut = bytes.slice(0, length)
        expect(said(() => checkImage(kind, "x.img", cut, 2))).toEqual(said(() => decodeImage(kind, "x.img", cut, 2)) as object)
      }
    })

  test("carry a ghost file in one piece", () => {
    const entries = [{ message: { uid: 0, gid: 0, mode: 0o100644 }, payload: Uint8Array.of(1, 2, 3) }]
    expect<unknown>(decodeImage("ghost-file", "x.img", encodeImage("ghost-file", entries), 2)).toEqual(entries)
  })

  test("carry a large ghost file, which no later image writes over", () => {
    const large = [{ message: { uid: 0, gid: 0, mode: 0o100644 }, payload: new Uint8Array(3 << 20).fill(7) }]
    const small = [{ message: { uid: 1, gid: 1, mode: 0o100600 }, payload: Uint8Array.of(1) }]
    const bytes = [large, small, large, small].map((entries) => encodeImage("ghost-file", entries))
    const entries = bytes.map((one) => decodeImage("ghost-file", "x.img", one, 2))
    expect<unknown>(entries).toEqual([large, small, large, small])
  })

  test("write inventory.img as CRIU 4.2 does: its own word first, then the size", () => {
    expect(hexOf(encodeImage("inventory", [inventory])).slice(0, 28)).toBe("1631315822000000080210011a18")
    const full = {
      ...inventory,
      lsmtype: 0,
      network_lock_method: 0,
      plugins_entry: { plugins: [] },
      dump_criu_run_id: "979daf2b-0000-0000-0000-000000000000",
    }
    expect(hexOf(encodeImage("inventory", [full])).slice(0, 28)).toBe("163131584e000000080210011a18")
  })

  test("write pstree.img and an empty seccomp.img as CRIU 4.2 does", () => {
    const tree = encodeImage("pstree", [{ pid: 1140, ppid: 0, pgid: 1140, sid: 1140, threads: [1140, 1141] }])
    expect(hexOf(tree)).toBe("194356543030275011000000" + "08f408" + "1000" + "18f408" + "20f408" + "28f408" + "28f508")
    expect(hexOf(encodeImage("seccomp", [{ seccomp_filters: [] }]))).toBe("194356544930416400000000")
  })

  test("write pipes-data.img in 27 bytes for five queued ones", () => {
    const payload = Uint8Array.from(Buffer.from("hello"))
    expect(encodeImage("pipes-data", [{ message: { pipe_id: 1324077, bytes: 5, size: 65536 }, payload }])).toHaveLength(27)
  })

  test("write our own image with a word that reads STAS", () => {
    expect(Buffer.from(encodeImage("stasis-core", [])).subarray(4, 8).toString()).toBe("STAS")
  })
})

describe("encodeImage", () => {
  test("refuses a payload of another length than the entry says", () => {
    const entry = { message: { pipe_id: 1, bytes: 5 }, payload: new Uint8Array(4) }
    expect(() => encodeImage("pipes-data", [entry])).toThrow("entry 0 of pipes-data wants 5 bytes of payload, not 4")
  })
})

describe("decodeImage", () => {
  const tree = { pid: 1, ppid: 0, pgid: 1, sid: 1, threads: [1] }
  const good = encodeImage("pstree", [tree, tree])
  const wordAt = (at: number, value: number): Uint8Array => {
    const bytes = good.slice()
    new DataView(bytes.buffer).setUint32(at, value, true)
    return bytes
  }
  const failure = (bytes: Uint8Array, version?: 1 | 2): CheckpointError => {
    const error = failureOf(() => decodeImage("pstree", "/dir/pstree.img", bytes, version))
    if (!(error instanceof CheckpointError)) throw error
    return error
  }

  test("names the file and the byte of a size that is cut short", () => {
    expect(failure(good.subarray(0, 24), 2).message).toBe(
      "Cannot read image pstree.img: the size of entry 1 at byte 22 is cut short: 2 of 4 bytes",
    )
  })
  test("names the file and the byte of an entry that is cut short", () => {
    expect(failure(good.subarray(0, 30), 2).message).toBe(
      "Cannot read image pstree.img: entry 1 (pstree_entry) at byte 26 should have 10 bytes, 4 are left",
    )
  })
  test("refuses every length but those at an end of an entry", () => {
    for (let length = 0; length < good.length; length++) {
      if (length === 8 || length === 22) expect(decodeImage("pstree", "x", good.subarray(0, length), 2)).toHaveLength(length === 8 ? 0 : 1)
      else expect(failure(good.subarray(0, length), 2).code).toBe("E_IMAGE_CORRUPT")
    }
  })
  test("tells whose word is found in place of the right one", () => {
    const { message, code } = failure(wordAt(4, 0x57492820), 2)
    expect(code).toBe("E_IMAGE_CORRUPT")
    expect(message).toContain("bytes 4-7 are 0x57492820 (the word of mm-%u.img), not 0x50273030 (the word of pstree.img)")
    expect(failure(wordAt(0, 0x12345678), 2).message).toContain("0x12345678 (no word of any image)")
  })
  test("takes version-1 heads in a version-1 set only", () => {
    const old = good.subarray(4)
    expect<unknown>(decodeImage("pstree", "x", old, 1)).toEqual(decodeImage("pstree", "x", good, 2))
    expect<unknown>(decodeImage("pstree", "x", old)).toEqual(decodeImage("pstree", "x", good))
    expect(failure(good, 1).code).toBe("E_IMAGE_VERSION")
    expect(failure(old, 2).code).toBe("E_IMAGE_VERSION")
  })
  test("names an entry that is no message of its type, and keeps the cause", () => {
    const bad = good.slice()
    bad[12] = 0x0f
    const { code, message, cause } = failure(bad, 2)
    expect(code).toBe("E_IMAGE_CORRUPT")
    expect(message).toBe("Cannot read image pstree.img: entry 0 at byte 12 is no pstree_entry")
    expect(cause).toBeInstanceOf(Error)
  })
  test("refuses a payload that is cut short", () => {
    const bytes = encodeImage("pipes-data", [{ message: { pipe_id: 1, bytes: 5 }, payload: new Uint8Array(5) }])
    const error = failureOf(() => decodeImage("pipes-data", "pipes-data.img", bytes.subarray(0, -1), 2))
    expect(String(error)).toContain("the payload of entry 0 at byte 16 should have 5 bytes, 4 are left")
  })
  test("refuses queues of messages that are cut short anywhere", () => {
    const entry = framed("ipcns-msg", 0)
    const bytes = encodeImage("ipcns-msg", [entry])
    const payload = entry.payload?.length ?? 0
    for (let cut = 1; cut < payload; cut++) {
      expect(failureOf(() => decodeImage("ipcns-msg", "x", bytes.subarray(0, -cut), 2))).toBeInstanceOf(CheckpointError)
    }
  })
})

describe("fileName and imageOf", () => {
  test("are each other's reverse for every kind", () => {
    for (const kind of kinds) {
      const form = /%[uxs]/.exec(catalog[kind].file)?.[0]
      const id = form === undefined ? undefined : form === "%s" ? "dump" : 0x1fn
      expect<unknown>(imageOf(fileName(kind, id))).toEqual({ kind, id })
    }
  })
  test("write numbers in the base of the kind", () => {
    expect(fileName("ghost-file", 31)).toBe("ghost-file-1f.img")
    expect(fileName("pagemap-shmem", 0xffff_ffff_ffff_ffffn)).toBe("pagemap-shmem-18446744073709551615.img")
    expect(fileName("stats", "dump")).toBe("stats-dump")
    expect(fileName("tmpfs-dev", 44)).toBe("tmpfs-dev-44.tar.gz.img")
  })
  test("know what is no image", () => {
    for (const name of ["core-.img", "core-01.img", "core-1.img.bak", "xcore-1.img", "pages-1", "stats-x", "parent"])
      expect(imageOf(name)).toBeUndefined()
  })
})
