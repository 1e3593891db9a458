import { describe, expect, test } from "bun:test"
import { AF, IPPROTO, SOCK, TCP_STATE } from "../../../ffi/abi/socket.ts"
import { fd_types } from "../../../proto/gen/fdinfo_pb.ts"
import type { inet_sk_entry } from "../../../proto/gen/sk-inet_pb.ts"
import type { Found } from "../../../src/kinds/files/collecting.ts"
import { findInetSockets, inetAnswer, inetQuestion } from "../../../src/kinds/files/socket/diag.ts"
import { addressText, bytesOfWords, parseAddress, sockaddrOf, wordsOf } from "../../../src/kinds/files/socket/inet/address.ts"
import { checkInet } from "../../../src/kinds/files/socket/inet/check.ts"
import { refuseInet } from "../../../src/kinds/files/socket/inet/survey.ts"
import { attribute, joined, message, nested, parseAttributes, parseMessages } from "../../../src/kinds/files/socket/netlink.ts"
import { opts, tcp } from "./inet.ts"
import { imagesOf, plansOf } from "./plans.ts"

/** The restore's calls, without the placeholder. */
const planOf = (isk: inet_sk_entry): string[] =>
  plansOf(imagesOf({ 3: { type: fd_types.INETSK, id: 1, isk } })).open.map((line) => line.replace(/^#\d+ /, "").replace(/ \/\/.*/, ""))

test("findInetSockets asks for no other family, whose protocols may have the same numbers: NETLINK_XFRM is 6", () => {
  expect(findInetSockets([{ family: AF.NETLINK, protocol: IPPROTO.TCP }])).toEqual(new Map())
})

describe("restoreInet", () => {
  test("binds with SO_REUSEADDR, listens, and takes it away when all is open", () => {
    expect(planOf(tcp)).toEqual([
      "socket(2, 1, 6)",
      'setsockopt(#1, 1, 2, "\\u0001\\u0000\\u0000\\u0000", 4)',
      'setsockopt(#1, 1, 0x20, "\\u0000 \\u0000\\u0000", 4)',
      'setsockopt(#1, 1, 0x21, "\\u0000\\u0000\\u0001\\u0000", 4)',
      'setsockopt(#1, 1, 0x48, "\\u0000\\u0000\\u0000\\u0000", 4) = 0 or ENOPROTOOPT',
      'bind(#1, "\\u0002\\u0000\\u001f\x90\x7f\\u0000\\u0000\\u0001\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000", 0x10)'.replace(
        "\x7f",
        "\u007f",
      ),
      "listen(#1, 5)",
      "dup3(#1, 3, 0)",
      "close(#1)",
      "fcntl(3, 4, 0x800)",
      'setsockopt(3, 1, 2, "\\u0000\\u0000\\u0000\\u0000", 4)',
    ])
  })

  test("connects datagrams, sets every kind of option before the address, and shuts halves", () => {
    const plan = planOf({
      ...tcp,
      type: SOCK.DGRAM,
      proto: IPPROTO.UDP,
      state: TCP_STATE.ESTABLISHED,
      flags: 2,
      dst_port: 9,
      dst_addr: [0x0200007f],
      shutdown: 1,
      ip_opts: { freebind: true, tos: 16, ttl: 64 },
      opts: { ...opts, reuseaddr: true, so_linger: 3, so_bound_dev: "lo", so_filter: [0x0006000000000001n] },
    })
    const calls = plan.map((line) => line.split("(")[0])
    expect(calls.slice(-6)).toEqual(["setsockopt", "bind", "connect", "shutdown", "dup3", "close"])
    expect(plan).toContain('setsockopt(#1, 1, 0x19, "lo\\u0000", 3)')
    expect(plan).toContain('setsockopt(#1, 1, 0xd, "\\u0001\\u0000\\u0000\\u0000\\u0003\\u0000\\u0000\\u0000", 8)')
    expect(plan).toContain('setsockopt(#1, 0, 0xf, "\\u0001\\u0000\\u0000\\u0000", 4)')
    expect(plan.at(-3)).toBe("shutdown(#1, 0) = 0 or ENOTCONN")
  })

  test("a raw socket is bound to its address alone: its port is the protocol", () => {
    const raw = { ...tcp, type: SOCK.RAW, proto: 199, state: TCP_STATE.CLOSE, src_port: 199, flags: 2 }
    expect(planOf(raw).find((line) => line.startsWith("bind"))).toContain('"\\u0002\\u0000\\u0000\\u0000')
    expect(planOf({ ...raw, src_addr: [0] }).some((line) => line.startsWith("bind"))).toBe(false)
  })
})

describe("addresses", () => {
  test("go through words and sockaddr and come back", () => {
    const six = { bytes: Uint8Array.from([0xfe, 0x80, ...new Array(13).fill(0), 1]), port: 0x1234, scope: 7 }
    expect(parseAddress(sockaddrOf(AF.INET6, six))).toEqual(six)
    expect(bytesOfWords(wordsOf(six.bytes))).toEqual(six.bytes)
    const four = { bytes: Uint8Array.of(127, 0, 0, 1), port: 80, scope: 0 }
    expect(parseAddress(sockaddrOf(AF.INET, four))).toEqual(four)
    expect(wordsOf(four.bytes)).toEqual([0x0100007f])
    expect(addressText(four.bytes, 80)).toBe("127.0.0.1:80")
    expect(addressText(six.bytes, 80)).toBe("[fe80::1]:80")
  })
})

describe("checkInet", () => {
  const options = { tcpEstablished: false, tcpClose: false }
  test.each<[Partial<inet_sk_entry>, string]>([
    [{ family: 1 }, "it is of family 1"],
    [{ src_addr: [0, 0] }, "its addresses have 2 and 1 words, not 1"],
    [{ src_port: 70000 }, "it has port 70000"],
    [{ backlog: 0x80000000 }, "its backlog is 2147483648"],
    [{ ifname: "no such device" }, 'there is no network device "no such device"'],
    [{ proto: IPPROTO.MPTCP }, "it is of MPTCP"],
    [{ state: TCP_STATE.ESTABLISHED, dst_port: 5 }, "it is a TCP connection"],
  ])("refuses %p", (change, found) => {
    expect(() => checkInet({ ...tcp, ...change }, options)).toThrow(found)
  })
  const multicast = (device: string, group: Uint8Array) => ({ id: 1, multicast: { memberships: [{ device, group, sources: [] }] } })
  test("refuses a membership on a device that is not there, and one in no group", () => {
    checkInet(tcp, options, multicast("lo", Uint8Array.of(239, 1, 2, 3)))
    expect(() => checkInet(tcp, options, multicast("nothing", Uint8Array.of(239, 1, 2, 3)))).toThrow('no network device "nothing"')
    expect(() => checkInet(tcp, options, multicast("lo", Uint8Array.of(1)))).toThrow("a group whose address has 1 bytes")
  })
  test("takes a connection with an option", () => {
    const connection = { ...tcp, state: TCP_STATE.ESTABLISHED, dst_port: 5 }
    checkInet(connection, { ...options, tcpEstablished: true })
    checkInet(connection, { ...options, tcpClose: true })
  })
})

describe("refuseInet", () => {
  const found = (protocol: number) =>
    ({ socket: { family: AF.INET, type: SOCK.STREAM, protocol }, target: "socket:[900]", stat: { ino: 900n } }) as unknown as Found
  const base = { state: TCP_STATE.ESTABLISHED, received: 0, unsent: 0, shutdown: 0 }
  const surveying = (state: number, received = 0) => ({
    inetSockets: new Map([[900n, { state, received, unsent: 0, shutdown: 0 }]]),
    tcpEstablished: false,
    tcpClose: false,
    skipInFlight: false,
    socketHolder: (): number | undefined => undefined,
  })
  test("refuses a connection that somebody outside has too, unless it is to be closed", () => {
    const shared = { ...surveying(TCP_STATE.ESTABLISHED), socketHolder: (inode: bigint) => (inode === 900n ? 7 : undefined) }
    expect(refuseInet(found(IPPROTO.TCP), { ...shared, tcpEstablished: true })?.what).toContain("task 7, which is outside, has open too")
    expect(refuseInet(found(IPPROTO.TCP), { ...shared, tcpClose: true })).toBeUndefined()
  })
  test("names the option that a connection needs", () => {
    const established = surveying(TCP_STATE.ESTABLISHED)
    expect(refuseInet(found(IPPROTO.TCP), established)?.remedy).toContain("--tcp-established")
    expect(refuseInet(found(IPPROTO.TCP), { ...established, tcpEstablished: true })).toBeUndefined()
    expect(refuseInet(found(IPPROTO.TCP), { ...established, tcpClose: true })).toBeUndefined()
    expect(refuseInet(found(IPPROTO.TCP), surveying(13))).toBeUndefined()
  })
  test("names the option that connections in flight need", () => {
    expect(refuseInet(found(IPPROTO.TCP), surveying(TCP_STATE.LISTEN))).toBeUndefined()
    const busy = surveying(TCP_STATE.LISTEN, 2)
    expect(refuseInet(found(IPPROTO.TCP), busy)?.what).toContain("2 connections")
    expect(refuseInet(found(IPPROTO.TCP), { ...busy, skipInFlight: true })).toBeUndefined()
  })
  test("names keys and layers of the kernel, without which bytes would go unsigned or plain", () => {
    const of = (more: object) => ({ ...surveying(1), inetSockets: new Map([[900n, { ...base, ...more }]]), tcpEstablished: true })
    expect(refuseInet(found(IPPROTO.TCP), of({ signed: true }))?.what).toContain("TCP_MD5SIG")
    expect(refuseInet(found(IPPROTO.TCP), { ...of({ signed: true }), tcpClose: true })?.what).toContain("TCP_MD5SIG")
    expect(refuseInet(found(IPPROTO.TCP), of({ layer: "tls" }))?.what).toContain('by "tls"')
    expect(refuseInet(found(IPPROTO.TCP), { ...of({ layer: "tls" }), tcpClose: true })).toBeUndefined()
  })
  test("says how to do without MPTCP, and knows no other protocol of streams", () => {
    expect(refuseInet(found(IPPROTO.MPTCP), surveying(1))?.remedy).toContain("mptcpize")
    expect(refuseInet(found(132), surveying(1))?.what).toContain("protocol 132")
  })
})

describe("netlink", () => {
  test("messages and attributes come apart as they were put together", () => {
    const body = joined(attribute(1, Uint8Array.of(1, 2, 3)), nested(2, attribute(7, Uint8Array.of(9))))
    const packet = joined(message(16, 1, 5, body), message(17, 0, 6, new Uint8Array(0)))
    const [first, second, ...more] = [...parseMessages(packet)]
    expect(more).toEqual([])
    expect([first?.type, first?.seq, second?.type]).toEqual([16, 5, 17])
    const attributes = parseAttributes(first?.body ?? new Uint8Array(0))
    expect(attributes.get(1)).toEqual(Uint8Array.of(1, 2, 3))
    expect(parseAttributes(attributes.get(2) ?? new Uint8Array(0)).get(7)).toEqual(Uint8Array.of(9))
    expect([...parseMessages(packet.subarray(0, 20))]).toEqual([])
  })
  test("a question about sockets asks for the halves, and the answer tells them", () => {
    const question = inetQuestion({ family: AF.INET6, protocol: IPPROTO.UDP })
    expect(question.length).toBe(56)
    expect([...question.subarray(0, 3)]).toEqual([AF.INET6, IPPROTO.UDP, 0x80])
    expect(inetQuestion({ family: AF.INET, protocol: IPPROTO.TCP })[2]).toBe(0x82)
    const answer = new Uint8Array(72)
    const view = new DataView(answer.buffer)
    view.setUint8(1, TCP_STATE.LISTEN)
    view.setUint32(56, 3, true)
    view.setUint32(68, 900, true)
    const body = joined(answer, attribute(8, Uint8Array.of(2)))
    expect(inetAnswer({ type: 20, flags: 0, seq: 1, body })).toEqual([
      900n,
      { state: TCP_STATE.LISTEN, received: 3, unsent: 0, shutdown: 2 },
    ])
    const layered = joined(body, attribute(18, Uint8Array.of(1)), nested(19, attribute(1, Buffer.from("tls\0"))))
    expect(inetAnswer({ type: 20, flags: 0, seq: 1, body: layered })[1]).toMatchObject({ signed: true, layer: "tls" })
  })
})
