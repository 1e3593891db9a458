import { describe, expect, test } from "bun:test"
import {
  PACKET,
  PACKET_DIAG,
  packetDiagInfo,
  packetDiagMclist,
  packetDiagMsg,
  packetDiagRing,
  SOL_PACKET,
} from "../../../ffi/abi/packet.ts"
import { AF, SOCK } from "../../../ffi/abi/socket.ts"
import { encode } from "../../../ffi/layout.ts"
import { attempt, isFailure } from "../../../ffi/syscall.ts"
import { fd_types, type file_entry } from "../../../proto/gen/fdinfo_pb.ts"
import type { packet_ring, packet_sock_entry } from "../../../proto/gen/packet-sock_pb.ts"
import { checkFiles } from "../../../src/kinds/files/check.ts"
import type { PacketRings } from "../../../src/kinds/files/ids.ts"
import { scanOwn } from "../../../src/kinds/files/scan.ts"
import { tellOption } from "../../../src/kinds/files/socket/ask.ts"
import { attribute, joined } from "../../../src/kinds/files/socket/netlink.ts"
import { NO_OPTIONS } from "../../../src/kinds/files/socket/options.ts"
import { collectPacket, swapped } from "../../../src/kinds/files/socket/packet-sk/collect.ts"
import { deviceHere } from "../../../src/kinds/files/socket/packet-sk/restore.ts"
import { isPacketSocket, lossesOf, refusePacket } from "../../../src/kinds/files/socket/packet-sk/survey.ts"
import { findPacketSockets, type PacketSocket, parsePacket, ringRequest } from "../../../src/kinds/files/socket/packet-sk/table.ts"
import { skip } from "../../harness/skip.ts"
import { close, fown, imagesOf, ownCollecting, plansOf } from "./plans.ts"

const LO = 1
const ring: packet_ring = { block_size: 4096, block_nr: 4, frame_size: 2048, frame_nr: 8, retire_tmo: 77, sizeof_priv: 16, features: 1 }
const words = (...numbers: number[]) => new Uint8Array(Uint32Array.from(numbers).buffer)

/** An answer of the kernel about a packet socket. */
function answer(more: readonly Uint8Array[] = []) {
  const member = encode(packetDiagMclist, { pdmc_index: LO, pdmc_count: 2, pdmc_type: 3, pdmc_alen: 6 })
  member.set([2, 0, 0, 0, 0, 7], 12)
  const told = encode(packetDiagRing, {
    pdr_block_size: 4096,
    pdr_block_nr: 4,
    pdr_frame_size: 2048,
    pdr_frame_nr: 8,
    pdr_retire_tmo: 77,
    pdr_sizeof_priv: 16,
    pdr_features: 1,
  })
  const body = joined(
    encode(packetDiagMsg, { pdiag_family: AF.PACKET, pdiag_type: SOCK.RAW, pdiag_num: 0x88b5, pdiag_ino: 70 }),
    attribute(PACKET_DIAG.INFO, encode(packetDiagInfo, { pdi_index: LO, pdi_version: 2, pdi_flags: 2 })),
    attribute(PACKET_DIAG.MCLIST, joined(member, encode(packetDiagMclist, { pdmc_index: LO, pdmc_count: 1, pdmc_type: 1 }))),
    attribute(PACKET_DIAG.RX_RING, told),
    ...more,
  )
  return { type: 20, flags: 0, seq: 1, body }
}

describe("parsePacket", () => {
  test("reads what the kernel tells, a membership as often as it was taken", () => {
    const [inode, socket] = parsePacket(answer())
    expect(inode).toBe(70n)
    const member = { index: LO, type: 3, addr: Uint8Array.of(2, 0, 0, 0, 0, 7) }
    expect(socket).toMatchObject({ protocol: 0x88b5, rx: ring, tx: undefined, fanout: undefined, queued: 0 })
    expect(socket.members).toEqual([member, member, { index: LO, type: 1, addr: new Uint8Array(0) }])
    expect(ringRequest(ring)).toEqual(words(4096, 4, 2048, 8, 77, 16, 1))
  })
  test("tells what is lost: packets that are queued, and what rings hold", () => {
    const [, socket] = parsePacket(answer([attribute(PACKET_DIAG.MEMINFO, words(832, 1, 2))]))
    expect(lossesOf(socket, "fd 3")).toEqual([expect.stringContaining("832 bytes"), expect.stringContaining("frames in the ring")])
    expect(lossesOf({ ...socket, rx: undefined, queued: 0 }, "fd 3")).toEqual([])
  })
})

describe("refusePacket", () => {
  const judge = (socket: PacketSocket | undefined) =>
    refusePacket({ target: "socket:[70]", stat: { ino: 70n } as never }, { packetSockets: new Map(socket ? [[70n, socket]] : []) })?.what
  const [, well] = parsePacket(answer())
  test("takes what the kernel tells of", () => expect(judge(well)).toBeUndefined())
  const fanout = (way: number) => ({ ...well, fanout: (way << 16) | 5 })
  test("takes a fanout that runs no program", () => expect(judge(fanout(1))).toBeUndefined())
  const refused = [
    ["one that the kernel tells nothing of", undefined, "that the kernel tells nothing of"],
    ["one whose device has gone", { ...well, info: { ...well.info, pdi_index: 0xffffffff } }, "whose network device has gone"],
    ["a fanout by a classic program", fanout(6), "whose fanout runs a program"],
    ["a fanout by another program", fanout(7), "whose fanout runs a program"],
  ] as const
  for (const [title, socket, what] of refused) test(`refuses ${title}`, () => expect(judge(socket)).toContain(what))
})

const own = attempt("socket", AF.PACKET, SOCK.DGRAM | SOCK.CLOEXEC, 0)
if (isFailure(own)) skip("a packet socket of our own may not be made here")

test.skipIf(isFailure(own) || findPacketSockets(true).size === 0)("collectPacket tells options, rings and memberships of our own", () => {
  tellOption(own, SOL_PACKET, PACKET.VERSION, 1)
  tellOption(own, SOL_PACKET, PACKET.RESERVE, 32)
  tellOption(own, SOL_PACKET, PACKET.ORIGDEV, 1)
  tellOption(own, SOL_PACKET, PACKET.COPY_THRESH, 99)
  tellOption(own, SOL_PACKET, PACKET.QDISC_BYPASS, 1)
  tellOption(own, SOL_PACKET, PACKET.TX_RING, words(4096, 2, 2048, 4))
  tellOption(own, SOL_PACKET, PACKET.ADD_MEMBERSHIP, Uint8Array.of(LO, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
  const found = scanOwn(own)
  expect(isPacketSocket(found)).toBe(true)
  const rings = new Map<bigint, PacketRings>()
  const collecting = ownCollecting()
  const table = { notePacketRings: (inode: bigint, file: PacketRings) => void rings.set(inode, file) } as never
  const entry = collectPacket({ ...found, id: 7 }, { ...collecting, table, packetSockets: findPacketSockets(true) })
  const tx_ring = { block_size: 4096, block_nr: 2, frame_size: 2048, frame_nr: 4, retire_tmo: 0, sizeof_priv: 0, features: 0 }
  const flags = { aux_data: false, orig_dev: true, vnet_hdr: false, loss: false }
  expect(entry).toMatchObject({
    id: 7,
    type: SOCK.DGRAM,
    protocol: 0,
    ifindex: 0,
    version: 1,
    reserve: 32,
    copy_thresh: 99,
    tx_ring,
    ...flags,
  })
  expect(entry.mclist).toEqual([{ index: LO, type: 2, addr: new Uint8Array(0) }])
  expect([entry.rx_ring, entry.fanout]).toEqual([undefined, undefined])
  expect(rings.get(found.stat.ino)).toEqual({ id: 7, bytes: 8192 })
  expect(collecting.extension).toEqual([
    {
      id: 7,
      socket_options: { options: [{ level: SOL_PACKET, name: PACKET.QDISC_BYPASS, value: words(1) }] },
      packet_devices: { devices: [{ index: LO, name: "lo" }] },
    },
  ])
  close(own)
})

const entryOf = (more: Partial<packet_sock_entry>): file_entry => ({
  type: fd_types.PACKETSK,
  id: 7,
  psk: {
    id: 7,
    type: SOCK.RAW,
    protocol: 0,
    flags: 2,
    ifindex: 0,
    fown,
    opts: { ...NO_OPTIONS, so_sndbuf: 2000, so_rcvbuf: 4000 },
    version: 0,
    reserve: 0,
    aux_data: false,
    orig_dev: false,
    vnet_hdr: false,
    loss: false,
    timestamp: 0,
    copy_thresh: 0,
    mclist: [],
    ...more,
  },
})

/** The calls of a plan without their arguments in memory. */
const callsOf = (entry: file_entry, more: Parameters<typeof imagesOf>[1] = {}): string[] =>
  plansOf(imagesOf({ 5: entry }, more)).open.map((line) => line.replace(/^#\d+ (\w+)\(.*\/\/ (.*)$/, "$1: $2").replace(/^#\d+ /, ""))

describe("restorePacket", () => {
  const about = "the packet socket 7"
  const buffers = [`setsockopt: the send buffer of ${about}`, `setsockopt: the receive buffer of ${about}`, `setsockopt: ${about}`]
  const placed = ["dup3: fd 5", "close(#1)"]
  test("leaves a new one as it is", () => expect(callsOf(entryOf({}))).toEqual([`socket: ${about}`, ...buffers, ...placed]))
  test("sets options before rings, memberships from the oldest on, and hears nothing before all of it", () => {
    const mclist = [3, 1].map((type) => ({ index: LO, type, addr: new Uint8Array(0) }))
    const entry = entryOf({
      protocol: swapped(3),
      ifindex: LO,
      version: 2,
      loss: true,
      mclist,
      fanout: 0x80010005,
      rx_ring: ring,
      tx_ring: ring,
    })
    const options = [PACKET.QDISC_BYPASS, PACKET.ADD_MEMBERSHIP].map((name) => ({ level: SOL_PACKET, name, value: words(1) }))
    expect(callsOf(entry, { extension: [{ id: 7, socket_options: { options } }] })).toEqual([
      `socket: ${about}`,
      ...buffers,
      `setsockopt: option ${PACKET.VERSION} of ${about}`,
      `setsockopt: option ${PACKET.LOSS} of ${about}`,
      // What a dump does not tell as an option is not set.
      `setsockopt: option ${SOL_PACKET}:${PACKET.QDISC_BYPASS} of ${about}`,
      `setsockopt: the receive ring of ${about}`,
      `setsockopt: the send ring of ${about}`,
      `setsockopt: a membership of kind 1 of ${about}`,
      `setsockopt: a membership of kind 3 of ${about}`,
      `bind: the device of ${about}`,
      `setsockopt: the fanout of ${about}`,
      ...placed,
    ])
  })
  test("gives SOCK_PACKET its protocol at once, and binds it by name", () => {
    const [socket = "", ...calls] = plansOf(imagesOf({ 5: entryOf({ type: SOCK.PACKET, protocol: swapped(3), ifindex: LO }) })).open
    expect(socket).toContain("socket(0x11, 0xa, 0x300)")
    expect(calls.find((line) => line.includes("bind("))).toContain("lo")
  })
  test("finds devices by their names where images have them, else by their numbers", () => {
    const devices = (name: string) => ({ id: 7, packet_devices: { devices: [{ index: 44, name }] } })
    expect(deviceHere(44, devices("lo"))).toBe(LO)
    expect(deviceHere(44, devices("none such"))).toBeUndefined()
    expect(deviceHere(LO, undefined)).toBe(LO)
    expect(deviceHere(0x7ffffff0, undefined)).toBeUndefined()
  })
})

describe("checkPacket", () => {
  const options = { fileChanged: "fail", fileValidation: "filesize", skipRwxCheck: false, buildIdOf: () => [], shellJob: false } as never
  const check = (more: Partial<packet_sock_entry>) => () => checkFiles([imagesOf({ 5: entryOf(more) })], new Set(), options)
  test("takes what can be", () => expect(check({ ifindex: LO, rx_ring: ring })).not.toThrow())
  const corrupt: readonly Partial<packet_sock_entry>[] = [
    { type: SOCK.STREAM },
    { protocol: 0x10000 },
    { mclist: [{ index: LO, type: 0, addr: new Uint8Array(33) }] },
    { rx_ring: { ...ring, block_nr: 0 } },
    { tx_ring: { ...ring, block_size: 0xffff_f000, block_nr: 0xffff_ffff } },
    { type: SOCK.PACKET, rx_ring: ring },
    { ifindex: 0x7ffffff0 },
  ]
  for (const more of corrupt)
    test(`refuses ${Object.keys(more).join(", ")}`, () => expect(check(more)).toThrow("Cannot restore packet socket 7 of files.img"))
})
