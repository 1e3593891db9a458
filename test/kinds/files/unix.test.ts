import { describe, expect, test } from "bun:test"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { decode } from "../../../proto/decode.ts"
import { encode } from "../../../proto/encode.ts"
import { fd_types, type fdinfo_entry, type file_entry, file_entrySchema } from "../../../proto/gen/fdinfo_pb.ts"
import { sk_packet_entrySchema } from "../../../proto/gen/sk-packet_pb.ts"
import type { unix_sk_entry } from "../../../proto/gen/sk-unix_pb.ts"
import { type stasis_file_entry, stasis_file_entrySchema } from "../../../proto/gen/stasis_pb.ts"
import { checkFiles } from "../../../src/kinds/files/check.ts"
import type { FileImages } from "../../../src/kinds/files/images.ts"
import { STRICT } from "../../../src/kinds/files/keeping.ts"
import type { SocketData } from "../../../src/kinds/files/payloads.ts"
import { findShared } from "../../../src/kinds/files/restore-shared.ts"
import { REFUSED } from "../../../src/kinds/files/socket/inet/modes.ts"
import { attribute, joined } from "../../../src/kinds/files/socket/netlink.ts"
import { NO_OPTIONS } from "../../../src/kinds/files/socket/options.ts"
import { sendersOf } from "../../../src/kinds/files/socket/unix/credentials.ts"
import { relationOf } from "../../../src/kinds/files/socket/unix/relations.ts"
import { nameText, parseUnix } from "../../../src/kinds/files/socket/unix/sockets.ts"
import { Program } from "../../../src/tracee/program.ts"
import { scratch } from "../../harness/folders.ts"
import { fown, NO_MORE, plansOf } from "./plans.ts"

const opts = { ...NO_OPTIONS, so_sndbuf: 4096, so_rcvbuf: 8192 }
const NOTHING = new Uint8Array(0)
const name = (text: string): Uint8Array => new Uint8Array(Buffer.from(text))
const [ESTABLISHED, CLOSE, LISTEN] = [1, 7, 10] as const

/** A stream socket whose inode is ten times its id. */
function socket(id: number, more: Partial<unix_sk_entry> = {}): file_entry {
  const usk = {
    id,
    ino: id * 10,
    type: 1,
    state: ESTABLISHED,
    flags: 2,
    uflags: 0,
    backlog: 0,
    peer: 0,
    fown,
    opts,
    name: NOTHING,
    ...more,
  }
  return { type: fd_types.UNIXSK, id, usk }
}
const dgram = (id: number, more: Partial<unix_sk_entry> = {}): file_entry => socket(id, { type: 2, ...more })
const pair = (more: Partial<unix_sk_entry> = {}): file_entry[] => [socket(1, { peer: 20, ...more }), socket(2, { peer: 10, ...more })]

const packet = (id_for: number, text: string, ...rights: number[]): SocketData => {
  const message = { id_for, length: text.length, scm: rights.length > 0 ? [{ type: 1, rights }] : [] }
  expect(decode(sk_packet_entrySchema, encode(sk_packet_entrySchema, message))).toEqual(message)
  return { message, payload: name(text) }
}

/** Images of these files, each through its bytes; the file with id N is at descriptor N. */
function imagesOf(files: readonly file_entry[], skQueues: readonly SocketData[] = [], hidden: readonly number[] = []): FileImages {
  const entries = files.map((file) => decode(file_entrySchema, encode(file_entrySchema, file)))
  expect(entries).toEqual([...files])
  const fdinfos = entries.flatMap(({ id, type }): fdinfo_entry[] => (hidden.includes(id) ? [] : [{ fd: id, id, type, flags: 0 }]))
  return {
    fdinfos,
    files: new Map(entries.map((one) => [one.id, one])),
    ...NO_MORE,
    skQueues,
  }
}

/** The calls of a restore, without numbers, placeholders and what sets buffers. */
const planOf = (images: FileImages): string[] =>
  plansOf(images)
    .open.map((line) => line.replace(/^#\d+ /, ""))
    .filter((line) => !line.startsWith("setsockopt"))
const callsOf = (images: FileImages): string[] => planOf(images).map((line) => line.split("(")[0] ?? "")

describe("parseUnix", () => {
  test("reads state, name, file, peer, pending clients and queue lengths", () => {
    const message = Uint8Array.from([1, 1, LISTEN, 0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0])
    const u32 = (...values: number[]) => new Uint8Array(Uint32Array.from(values).buffer)
    const body = joined(
      message,
      attribute(0, name("/run/x\0")),
      attribute(1, u32(99, 0x800002)),
      attribute(3, u32(5, 0, 6)),
      attribute(4, u32(3, 128)),
      attribute(6, Uint8Array.from([2])),
    )
    expect(parseUnix({ body })).toEqual({
      ino: 7,
      type: 1,
      state: LISTEN,
      name: name("/run/x\0"),
      file: { ino: 99, dev: 0x800002 },
      peer: 0,
      pending: [5, 0, 6],
      queued: 3,
      sent: 128,
      shutdown: 2,
    })
    expect([nameText(name("/run/x\0")), nameText(name("\0abs"))]).toEqual(["/run/x", "@abs"])
  })
})

describe("restoreUnix", () => {
  test("makes a pair, fills both queues and shuts down afterwards", () => {
    const files = [socket(1, { peer: 20, shutdown: 2 }), socket(2, { peer: 10, shutdown: 1 })]
    const images = imagesOf(files, [packet(1, "for one"), packet(2, "for two"), packet(2, "more")])
    expect(planOf(images).map((line) => line.replace(/ \/\/.*/, ""))).toEqual([
      "socketpair(1, 1, 0, room[8])",
      "dup3(u32 of room[8]+0, 1, 0)",
      "close(u32 of room[8]+0)",
      "dup3(u32 of room[8]+4, 2, 0)",
      "close(u32 of room[8]+4)",
      expect.stringMatching(/^sendmsg\(2, .*, 0x4040\)$/),
      expect.stringMatching(/^sendmsg\(1, .*, 0x4040\)$/),
      expect.stringMatching(/^sendmsg\(1, .*, 0x4040\)$/),
      "shutdown(1, 1)",
      "shutdown(2, 0)",
    ])
  })

  test("binds, listens, connects and accepts again where the listener is there", () => {
    const path = name("/run/x\0")
    const files = [
      socket(1, { state: LISTEN, name: path, backlog: 7, file_perms: { mode: 0o140600, uid: 3, gid: 4 } }),
      socket(2, { peer: 30, name: path }),
      socket(3, { peer: 20 }),
      socket(4, { peer: 10 }),
    ]
    expect(callsOf(imagesOf(files)).filter((call) => call !== "dup3" && call !== "close")).toEqual([
      ...["socket", "unlinkat", "bind", "fchownat", "fchmodat", "listen"],
      ...["socket", "connect", "accept4"],
      ...["socket", "connect"],
    ])
  })

  test("sends to a dgram socket by its name, and removes a name that had been removed", () => {
    const files = [dgram(1, { state: CLOSE, name: name("/run/d\0"), deleted: true }), dgram(2, { peer: 10 })]
    const images = imagesOf(files, [packet(1, "x")])
    expect(callsOf(images).filter((call) => call !== "dup3")).toEqual([
      ...["socket", "bind", "socket", "connect", "close", "close"],
      ...["socket", "sendmsg", "close", "unlinkat"],
    ])
  })

  test("renames the file of a socket when those that found it by its name are connected", () => {
    const files = [
      socket(1, { state: LISTEN, name: name("/run/x.tmp\0") }),
      socket(2, { peer: 30, name: name("/run/x.tmp\0") }),
      socket(3, { peer: 20 }),
    ]
    const plan = planOf({ ...imagesOf(files), extension: [{ id: 1, socket_file: "/run/x" }] })
    const at = (call: RegExp): number => plan.findIndex((line) => call.test(line))
    expect(at(/^renameat2\(.*"\/run\/x\.tmp\\u0000", .*, "\/run\/x\\u0000", 0\)/)).toBeGreaterThan(at(/^connect/))
  })

  test("gives a connection without a peer its queue from an end that goes again", () => {
    expect(callsOf(imagesOf([socket(1)], [packet(1, "x")]))).toEqual(["socketpair", "dup3", "close", "sendmsg", "close"])
  })
})

describe("credentials", () => {
  const through = (facts: stasis_file_entry): stasis_file_entry => decode(stasis_file_entrySchema, encode(stasis_file_entrySchema, facts))

  test("a pair is made with the IDs that its peers asked for, and the process has its own again", () => {
    const images = { ...imagesOf(pair()), extension: [through({ id: 1, socket_peer: { pid: 5, uid: 1000, gid: 1001 } })] }
    expect(
      planOf(images)
        .slice(0, 6)
        .map((line) => line.replace(/ \/\/.*/, "")),
    ).toEqual([
      "setresgid(-1, 0x3e9, -1)",
      "setresuid(-1, 0x3e8, -1)",
      "setfsuid(0)",
      "socketpair(1, 1, 0, room[8])",
      "setresuid(-1, 0, -1)",
      "setresgid(-1, 0, -1)",
    ])
  })

  test("a sender that does not exist is told as the process itself, with the IDs that it had", () => {
    const senders = [78, 79].map((pid) => ({ pid, uid: 7, gid: 8 }))
    const extension = new Map([[1, through({ id: 1, socket_senders: { senders } })]])
    const asking = { program: new Program(), extension, self: { pid: 77, uid: 0, euid: 0, egid: 0 }, isBorn: (pid: number) => pid === 78 }
    expect(sendersOf(1, asking)).toEqual([
      { pid: 78, uid: 7, gid: 8 },
      { pid: 77, uid: 7, gid: 8 },
    ])
  })
})

describe("findShared", () => {
  const table = (pid: number, images: FileImages, ...ids: number[]) => ({
    pid,
    fdinfos: images.fdinfos.filter(({ id }) => ids.includes(id)),
  })
  const shared = (images: FileImages, ...tables: { pid: number; fdinfos: readonly fdinfo_entry[] }[]) =>
    findShared(tables, { ...images, skQueues: Map.groupBy(images.skQueues, ({ message }) => message.id_for) })

  test("a pair in one table is that process's own, in two it is made for both", () => {
    const images = imagesOf(pair())
    expect(shared(images, table(7, images, 1, 2)).ids).toEqual([])
    const apart = shared(images, table(7, images, 1), table(8, images, 2))
    expect([...apart.ids].sort()).toEqual([1, 2])
    expect(apart.finisher.get(2)).toBe(8)
  })

  test("what is in flight alone is made for all, with what carries it", () => {
    const images = imagesOf([...pair(), socket(3, { state: CLOSE })], [packet(1, "x", 3)], [3])
    const found = shared(images, table(7, images, 1, 2))
    expect([...found.ids].sort()).toEqual([1, 2, 3])
    expect(found.finisher.has(3)).toBe(false)
  })
})

describe("checkFiles", () => {
  const check = (images: FileImages) => () =>
    checkFiles([images], new Set([77]), { ...STRICT, ...REFUSED, buildIdOf: () => [], shellJob: false, terminal: false })

  test("accepts a pair", check(imagesOf(pair())))

  test("names what does not fit together", () => {
    expect(check(imagesOf([socket(1, { peer: 20 })]))).toThrow("Cannot restore unix socket 10: files.img has no socket 20, its peer")
    expect(check(imagesOf([socket(1, { type: 9 })]))).toThrow("it is of type 9")
    expect(check(imagesOf([socket(1, { uflags: 1 })]))).toThrow("it is a socket outside the tree")
    expect(check(imagesOf([socket(1, { peer: 20 }), dgram(2, { peer: 10 })]))).toThrow("its peer is of type 2")
    expect(check(imagesOf([dgram(1, { peer: 20 }), dgram(2, { state: CLOSE })]))).toThrow("its peer has no name")
    expect(check(imagesOf([dgram(1, { state: CLOSE })], [packet(1, "x")]))).toThrow("neither a name nor a peer")
    expect(check(imagesOf(pair(), [packet(1, "x", 9)]))).toThrow("file 9, which is in flight through a socket: files.img does not have it")
    expect(relationOf(pair()[0]!.usk!, imagesOf(pair()).files).kind).toBe("pair")
  })

  test("names what stands in the way of a name", () => {
    const folder = scratch("unix-names")
    const at = (path: string) => check(imagesOf([socket(1, { state: LISTEN, name: name(`${path}\0`) })]))
    at(join(folder, "free"))()
    expect(at(join(folder, "missing/socket"))).toThrow(`there is no directory "${join(folder, "missing")}"`)
    writeFileSync(join(folder, "file"), "")
    expect(at(join(folder, "file"))).toThrow(`"${join(folder, "file")}" is a regular file now`)
    const listener = Bun.listen({ unix: join(folder, "used"), socket: { data() {} } })
    expect(at(join(folder, "used"))).toThrow("another program has a socket of this name now")
    listener.stop()
    const abstract = Bun.listen({ unix: `\0${folder}`, socket: { data() {} } })
    expect(check(imagesOf([socket(1, { state: LISTEN, name: name(`\0${folder}`) })]))).toThrow("another program has this name now")
    abstract.stop()
  })
})
