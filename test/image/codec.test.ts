import { describe, expect, test } from "bun:test"
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { createFileRegistry, fromBinary, toBinary, toJson } from "@bufbuild/protobuf"
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt"
import { isPlainly } from "../../proto/check.ts"
import { decode } from "../../proto/decode.ts"
import { encode } from "../../proto/encode.ts"
import { aa_policySchema } from "../../proto/gen/apparmor_pb.ts"
import { thread_info_x86Schema } from "../../proto/gen/core-x86_pb.ts"
import { eventfd_file_entrySchema } from "../../proto/gen/eventfd_pb.ts"
import { file_entrySchema } from "../../proto/gen/fdinfo_pb.ts"
import { pstree_entrySchema } from "../../proto/gen/pstree_pb.ts"
import { rseq_entrySchema } from "../../proto/gen/rseq_pb.ts"
import { vma_entrySchema } from "../../proto/gen/vma_pb.ts"
import type { AnySchema } from "../../proto/schema.ts"
import { bytesOf, textOf } from "../../proto/text.ts"
import { fullMessage } from "./messages.ts"

const root = join(import.meta.dir, "../..")
const built = Bun.spawnSync([join(root, "node_modules/.bin/buf"), "build", "proto", "-o", "-#format=binpb"], { cwd: root })
const reference = createFileRegistry(fromBinary(FileDescriptorSetSchema, built.stdout))

const schemas: AnySchema[] = []
for (const file of readdirSync(join(root, "proto/gen"))) {
  const exports: Record<string, unknown> = await import(join(root, "proto/gen", file))
  for (const [name, value] of Object.entries(exports)) if (name.endsWith("Schema")) schemas.push(value as AnySchema)
}

describe("the codec agrees with protobuf-es", () => {
  test("on the list of messages", () => {
    const messages = [...reference.files].flatMap((file) => file.messages.map(({ name }) => name))
    expect(schemas.map(({ name }) => name).sort()).toEqual(messages.sort())
  })

  for (const schema of schemas) {
    test(`on every field of ${schema.name}`, () => {
      const other = reference.getMessage(schema.name)
      if (!other) throw new Error(`protobuf-es does not know ${schema.name}`)
      const full = fullMessage(schema)
      const bytes = encode(schema, full)
      const theirs = fromBinary(other, bytes)
      expect(theirs.$unknown ?? []).toEqual([])
      expect(Object.keys(toJson(other, theirs) as object)).toHaveLength(schema.fields.length)
      expect(Buffer.compare(toBinary(other, theirs), bytes)).toBe(0)
      expect<unknown>(decode(schema, bytes)).toEqual(full)
    })
  }
})

test("numbers of every length are those of protobuf-es", () => {
  const other = reference.getMessage("rseq_entry")!
  const bits = Array.from({ length: 64 }, (_, bit) => bit)
  for (const wide of bits.flatMap((bit) => [2n ** BigInt(bit), 2n ** BigInt(bit + 1) - 1n])) {
    const narrow = Number(wide & 0xffffffffn)
    const entry = { rseq_abi_pointer: wide, rseq_abi_size: narrow, signature: narrow }
    const bytes = encode(rseq_entrySchema, entry)
    const theirs = fromBinary(other, bytes)
    expect(Buffer.compare(toBinary(other, theirs), bytes)).toBe(0)
    expect(toJson(other, theirs)).toMatchObject({ rseqAbiPointer: `${wide}` })
    expect(decode(rseq_entrySchema, bytes)).toEqual(entry)
  }
  // What a writer of another width may have written: the low half counts.
  const long = Uint8Array.of(0x08, 1, 0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x18, 0x80, 0x80, 0x80, 0x80, 0x30)
  expect(toJson(other, fromBinary(other, long))).toMatchObject({ rseqAbiSize: 0xffffffff, signature: 0 })
  expect(decode(rseq_entrySchema, long)).toMatchObject({ rseq_abi_size: 0xffffffff, signature: 0 })
})

describe("isPlainly", () => {
  const isRight = (schema: AnySchema, bytes: Uint8Array): boolean => isPlainly(schema, bytes, 0, bytes.length)

  const fails = (step: () => unknown): boolean => {
    try {
      step()
      return false
    } catch {
      return true
    }
  }

  /** More required fields than a number has bits, in it or in a message of it: registers of other processors. */
  const hasMany = ({ fields }: AnySchema): boolean =>
    fields.filter(({ label }) => label === "required").length > 31 ||
    fields.some((field) => field.type === "message" && field.message().fields !== fields && hasMany(field.message()))

  for (const schema of schemas)
    test(`takes nothing that decode refuses of ${schema.name}`, () => {
      const bytes = encode(schema, fullMessage(schema))
      // Else the quick way would never be taken, and nobody would see it.
      expect(isRight(schema, bytes)).toBe(!hasMany(schema))
      for (let length = 0; length <= bytes.length; length++) {
        const cut = bytes.slice(0, length)
        expect(isRight(schema, cut) && fails(() => decode(schema, cut))).toBe(false)
      }
      for (const [at, byte] of bytes.slice(0, 64).entries()) {
        const other = bytes.slice()
        other[at] = byte ^ 0x80
        expect(isRight(schema, other) && fails(() => decode(schema, other))).toBe(false)
      }
    })
})

test("a frozen message is encoded as any other, each as its own", () => {
  const owner = { uid: 1, euid: 2, signum: 3, pid_type: 0, pid: 4 }
  for (const pid of [4, 5]) {
    const [plain, frozen] = [{ ...owner, pid }, Object.freeze({ ...owner, pid })].map((fown) => ({ id: 1, flags: 2, fown, counter: 3n }))
    if (!plain || !frozen) throw new Error("Unreachable: two of two")
    for (let time = 0; time < 2; time++) expect(encode(eventfd_file_entrySchema, frozen)).toEqual(encode(eventfd_file_entrySchema, plain))
  }
})

test("an FPU state that occurs again is read once, others are their own", () => {
  const infoOf = (seed: number): object => fullMessage(thread_info_x86Schema, seed)
  const bytesOfInfo = (seed: number): Uint8Array => encode(thread_info_x86Schema as AnySchema, infoOf(seed))
  const first = decode(thread_info_x86Schema, bytesOfInfo(1))
  expect(decode(thread_info_x86Schema, bytesOfInfo(1)).fpregs).toBe(first.fpregs)
  for (let seed = 2; seed < 200; seed++) expect(decode(thread_info_x86Schema, bytesOfInfo(seed)) as object).toEqual(infoOf(seed))
  const damaged = bytesOfInfo(1).slice(0, -1)
  expect(() => decode(thread_info_x86Schema, damaged)).toThrow()
})

test("what is checked once is not taken for what is like it", () => {
  const bytes = encode(thread_info_x86Schema as AnySchema, fullMessage(thread_info_x86Schema, 1))
  expect(isPlainly(thread_info_x86Schema, bytes, 0, bytes.length)).toBe(true)
  const refused = bytes.map((_, at) => {
    const other = Uint8Array.from(bytes)
    other[at] = 0xff
    return Number(!isPlainly(thread_info_x86Schema, other, 0, other.length))
  })
  expect(refused.reduce((sum, one) => sum + one)).toBeGreaterThan(bytes.length / 4)
  expect(isPlainly(thread_info_x86Schema, bytes, 0, bytes.length)).toBe(true)
})

test("a frozen list is encoded as any other", () => {
  const threads = [0, 1, 127, 128, 0xffffffff]
  const name = "pstree_entry"
  const schema = schemas.find((candidate) => candidate.name === name)!
  const entry = { pid: 1, ppid: 0, pgid: 1, sid: 1, threads }
  const plain = encode(schema, entry)
  const frozen = { ...entry, threads: Object.freeze([...threads]) }
  expect(encode(schema, frozen)).toEqual(plain)
  expect(encode(schema, frozen)).toEqual(plain)
  expect(decode<object>(schema, plain)).toEqual(entry)
})

describe("decode", () => {
  const registered = { rseq_abi_pointer: 0x7f00n, rseq_abi_size: 32, signature: 0x53053053 }

  test("skips fields it does not know", () => {
    const unknown = Uint8Array.of(0xf8, 0x01, 0x05, 0xfa, 0x01, 0x01, 0x00, 0xf9, 0x01, 1, 2, 3, 4, 5, 6, 7, 8, 0xfd, 0x01, 1, 2, 3, 4)
    expect(decode(rseq_entrySchema, Uint8Array.from([...encode(rseq_entrySchema, registered), ...unknown]))).toEqual(registered)
  })

  test("takes packed lists", () => {
    const name = "pstree_entry"
    const schema = schemas.find((candidate) => candidate.name === name)!
    const bytes = Uint8Array.of(8, 1, 16, 0, 24, 1, 32, 1, 0x2a, 3, 1, 0xac, 0x02)
    expect<unknown>(decode(schema, bytes)).toEqual({ pid: 1, ppid: 0, pgid: 1, sid: 1, threads: [1, 300] })
  })

  test("keeps enum values that are new", () => {
    expect<unknown>(decode(file_entrySchema, Uint8Array.of(8, 99, 16, 1))).toEqual({ type: 99, id: 1 })
  })

  test("names a missing required field", () => {
    expect(() => decode(vma_entrySchema, Uint8Array.of(8, 1))).toThrow("vma_entry lacks its required field end")
  })

  test("refuses bytes that end inside a field", () => {
    const bytes = encode(rseq_entrySchema, registered)
    for (let length = 1; length < bytes.length; length++) expect(() => decode(rseq_entrySchema, bytes.subarray(0, length))).toThrow()
  })

  test("refuses a wire type that does not fit", () => {
    expect(() => decode(rseq_entrySchema, Uint8Array.of(0x0a, 0))).toThrow("rseq_entry.rseq_abi_pointer at byte 0: wire type 2, not 0")
  })

  test("says where bytes of a nested message are wrong", () => {
    const owner = { uid: 0, euid: 0, signum: 0, pid_type: 0, pid: 7 }
    const bytes = encode(eventfd_file_entrySchema, { id: 1, flags: 2, fown: owner, counter: 3n })
    expect(bytes.subarray(4, 6)).toEqual(Uint8Array.of(0x1a, 10)) // fown: its tag and length
    const cut = bytes.subarray(0, 11)
    expect(() => decode(eventfd_file_entrySchema, cut)).toThrow(
      "eventfd_file_entry.fown at byte 4: fown_entry.signum at byte 10: premature EOF",
    )
    const short = bytes.with(5, 9)
    expect(() => decode(eventfd_file_entrySchema, short)).toThrow(
      "eventfd_file_entry.fown at byte 4: fown_entry.pid at byte 14: it runs past the end of its message at byte 15",
    )
    const list = Uint8Array.of(8, 1, 16, 0, 24, 1, 32, 1, 0x2a, 2, 1, 0xac, 0x02)
    expect(() => decode(pstree_entrySchema, list)).toThrow("pstree_entry.threads at byte 8: its last number runs past the end of its list")
  })

  test("reads 64-bit numbers as bigint and copies bytes", () => {
    const decoded = decode(rseq_entrySchema, Buffer.from(encode(rseq_entrySchema, registered)))
    expect(typeof decoded.rseq_abi_pointer).toBe("bigint")
    const file = Buffer.from(encode(aa_policySchema, { name: "profile", blob: Uint8Array.of(1, 2, 3) }))
    const { blob } = decode(aa_policySchema, file)
    file.fill(0)
    expect(blob).toEqual(Uint8Array.of(1, 2, 3))
  })
})

describe("encode", () => {
  test("refuses values out of range and missing ones", () => {
    const good = { rseq_abi_pointer: 0n, rseq_abi_size: 32, signature: 1 }
    expect(() => encode(rseq_entrySchema, { ...good, signature: -1 })).toThrow("rseq_entry.signature is -1")
    expect(() => encode(rseq_entrySchema, { ...good, signature: 0x1_0000_0000 })).toThrow("signature")
    expect(() => encode(rseq_entrySchema, { ...good, rseq_abi_pointer: -1n })).toThrow("rseq_abi_pointer")
    expect(() => encode(rseq_entrySchema as AnySchema, { signature: 1 })).toThrow("rseq_abi_pointer is undefined")
  })

  test("refuses values of another type, which the package would convert", () => {
    const good = { rseq_abi_pointer: 0n, rseq_abi_size: 32, signature: 1 }
    const schema = rseq_entrySchema as AnySchema
    expect(() => encode(schema, { ...good, rseq_abi_size: "32" })).toThrow("rseq_entry.rseq_abi_size is 32, which is no uint32")
    expect(() => encode(schema, { ...good, rseq_abi_pointer: 1 })).toThrow("rseq_abi_pointer is 1, which is no uint64")
    expect(() => encode(aa_policySchema as AnySchema, { name: "a", blob: null })).toThrow("blob is null")
    expect(() => encode(aa_policySchema as AnySchema, { name: "a", blob: [1] })).toThrow("blob is 1, which is no bytes")
    expect(() => encode(aa_policySchema as AnySchema, { name: 1, blob: new Uint8Array() })).toThrow("name is 1, which is no string")
  })

  test("is as before after a refusal inside a nested message", () => {
    const owner = { uid: 0, euid: 0, signum: 0, pid_type: 0, pid: 7 }
    const good = { id: 1, flags: 2, fown: owner, counter: 3n }
    const before = encode(eventfd_file_entrySchema, good)
    expect(() => encode(eventfd_file_entrySchema, { ...good, fown: { ...owner, pid: -1 } })).toThrow("fown_entry.pid is -1")
    expect(encode(eventfd_file_entrySchema, good)).toEqual(before)
  })

  test("keeps names that are not UTF-8, of any length", () => {
    for (const length of [0, 1, 40, 126, 127, 128, 20000]) {
      const name = "\udcff".repeat(length)
      const bytes = encode(aa_policySchema, { name, blob: new Uint8Array() })
      expect(bytes.filter((byte) => byte === 0xff).length).toBeGreaterThanOrEqual(length)
      expect(decode(aa_policySchema, bytes).name).toBe(name)
    }
  })
})

describe("text", () => {
  test("keeps bytes that are not UTF-8", () => {
    const bytes = Uint8Array.of(0x2f, 0xff, 0xc3, 0xa9, 0xed, 0xa0, 0x80, 0xf0, 0x9f, 0x98, 0x80, 0xc3)
    expect(textOf(bytes)).toBe("/\udcffé\udced\udca0\udc80😀\udcc3")
    expect(bytesOf(textOf(bytes))).toEqual(bytes)
    expect(bytesOf("/dev/null")).toEqual(Uint8Array.from(Buffer.from("/dev/null")))
  })
})
