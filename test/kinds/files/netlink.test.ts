import { expect, test } from "bun:test"
import { sockaddrNl } from "../../../ffi/abi/netlink.ts"
import { AF, SOCK } from "../../../ffi/abi/socket.ts"
import { encode } from "../../../ffi/layout.ts"
import { syscall } from "../../../ffi/syscall.ts"
import { fd_types, type file_entry } from "../../../proto/gen/fdinfo_pb.ts"
import type { netlink_sk_entry } from "../../../proto/gen/sk-netlink_pb.ts"
import { checkFiles } from "../../../src/kinds/files/check.ts"
import { scanOwn } from "../../../src/kinds/files/scan.ts"
import { tellOption } from "../../../src/kinds/files/socket/ask.ts"
import { collectNetlink, isNetlink, refuseNetlink } from "../../../src/kinds/files/socket/netlink-sk/collect.ts"
import { groupWords, numbersOf } from "../../../src/kinds/files/socket/netlink-sk/groups.ts"
import { NO_OPTIONS } from "../../../src/kinds/files/socket/options.ts"
import { close, fown, given, imagesOf, ownCollecting, plansOf } from "./plans.ts"

const SOL_NETLINK = 270
const USERSOCK = 2
const ROUTE = 0

const opened = (protocol: number): number => syscall("socket", AF.NETLINK, SOCK.RAW | SOCK.CLOEXEC, protocol)
const bind = (fd: number, nl_pid: number, nl_groups: number) =>
  syscall("bind", fd, given(encode(sockaddrNl, { nl_family: AF.NETLINK, nl_pid, nl_groups })), sockaddrNl.size)
const value = (number: number) => new Uint8Array(Int32Array.of(number).buffer)

test("collectNetlink tells ports, groups, connections and what has no field", () => {
  const fd = opened(ROUTE)
  bind(fd, 0xabcd_1234, 5)
  tellOption(fd, SOL_NETLINK, 1, 33)
  tellOption(fd, SOL_NETLINK, 11, 1)
  const found = scanOwn(fd)
  expect(isNetlink(found)).toBe(true)
  expect(refuseNetlink(found)).toBeUndefined()
  const collecting = ownCollecting()
  const { opts, ...entry } = collectNetlink({ ...found, id: 7 }, collecting)
  const ino = Number(found.stat.ino)
  const base = { id: 7, ino, flags: 2, fown, protocol: ROUTE, dst_portid: 0, dst_group: 0 }
  expect(entry).toEqual({ ...base, state: 7, portid: 0xabcd_1234, groups: [5] })
  expect(opts.so_rcvbuf).toBeGreaterThan(0)
  expect(collecting.extension).toEqual([
    {
      id: 7,
      socket_options: {
        options: [
          { level: SOL_NETLINK, name: 11, value: value(1) },
          { level: SOL_NETLINK, name: 1, value: value(33) },
        ],
      },
    },
  ])
  syscall("connect", fd, given(encode(sockaddrNl, { nl_family: AF.NETLINK })), sockaddrNl.size)
  expect(collectNetlink({ ...found, id: 7 }, ownCollecting()).state).toBe(1)
  close(fd)
})

test("refuseNetlink wants an empty queue", () => {
  const [receiver, sender] = [opened(USERSOCK), opened(USERSOCK)]
  bind(receiver, 0xabcd_1235, 0)
  const room = given(encode(sockaddrNl, { nl_family: AF.NETLINK, nl_pid: 0xabcd_1235 }))
  syscall("sendto", sender, room, 16, 0, room, sockaddrNl.size)
  expect(refuseNetlink(scanOwn(receiver))?.what).toContain("messages that nobody has read yet")
  expect(refuseNetlink(scanOwn(sender))).toBeUndefined()
  for (const fd of [receiver, sender]) close(fd)
})

const entryOf = (more: Partial<netlink_sk_entry>): file_entry => ({
  type: fd_types.NETLINKSK,
  id: 7,
  nlsk: {
    id: 7,
    ino: 70,
    protocol: ROUTE,
    state: 7,
    flags: 2,
    portid: 0,
    groups: [],
    dst_portid: 0,
    dst_group: 0,
    fown,
    opts: { ...NO_OPTIONS, so_sndbuf: 2000, so_rcvbuf: 4000 },
    ...more,
  },
})

/** The calls of a plan without their arguments in memory. */
const callsOf = (entry: file_entry, more: Parameters<typeof imagesOf>[1] = {}): string[] =>
  plansOf(imagesOf({ 5: entry }, more)).open.map((line) => line.replace(/^#\d+ (\w+)\(.*\/\/ (.*)$/, "$1: $2").replace(/^#\d+ /, ""))

test("restoreNetlink binds, joins and connects", () => {
  const about = "the netlink socket 7 of protocol 0"
  const made = [
    `socket: ${about}`,
    `setsockopt: the send buffer of ${about}`,
    `setsockopt: the receive buffer of ${about}`,
    `setsockopt: ${about}`,
  ]
  const placed = ["dup3: fd 5", "close(#1)"]
  expect(callsOf(entryOf({}))).toEqual([...made, ...placed])
  expect(callsOf(entryOf({ portid: 12, groups: [3, 1], state: 1, dst_portid: 4, dst_group: 2 }))).toEqual([
    ...made,
    `bind: port 12 of ${about}`,
    `setsockopt: group 33 of ${about}`,
    `connect: ${about}`,
    ...placed,
  ])
  const options = [11, 9, 99].map((name) => ({ level: SOL_NETLINK, name, value: value(1) }))
  // A list of groups is no option that can be set, and what no dump tells is not set.
  expect(callsOf(entryOf({ groups: [1] }), { extension: [{ id: 7, socket_options: { options } }] })).toEqual([
    ...made,
    `setsockopt: group 1 of ${about}`,
    `setsockopt: option 270:11 of ${about}`,
    ...placed,
  ])
})

test("groups are numbered from the lowest bit of the first word", () => {
  expect(groupWords(undefined)).toEqual([])
  expect(numbersOf(groupWords(new Uint8Array(Uint32Array.of(0x8000_0001, 2).buffer)))).toEqual([1, 32, 34])
})

test("images of sockets that cannot be are corrupt", () => {
  const options = { fileChanged: "fail", fileValidation: "filesize", skipRwxCheck: false, buildIdOf: () => [], shellJob: false } as never
  const check = (more: Partial<netlink_sk_entry>) => () => checkFiles([imagesOf({ 5: entryOf(more) })], new Set(), options)
  expect(check({})).not.toThrow()
  expect(check({ protocol: 32 })).toThrow("Cannot restore netlink socket 7 of files.img")
  expect(check({ dst_group: 33 })).toThrow("Cannot restore netlink socket 7 of files.img")
})
