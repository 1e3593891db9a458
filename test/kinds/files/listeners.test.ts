import { describe, expect, test } from "bun:test"
import { INET_DIAG_LOCAL, INET_DIAG_SKV6ONLY, inetDiagMsg } from "../../../ffi/abi/netlink.ts"
import { AF, TCP_STATE } from "../../../ffi/abi/socket.ts"
import { encode } from "../../../ffi/layout.ts"
import { type Listener, readListeners, synFilter } from "../../../src/kinds/files/socket/inet/listeners.ts"
import { attribute, joined } from "../../../src/kinds/files/socket/netlink.ts"

/** An answer of the kernel about a socket of TCP. */
function answer(inode: number, port: number, address: readonly number[], state: number, waiting = 0, only6 = 0) {
  const body = encode(inetDiagMsg, { idiag_state: state, idiag_rqueue: waiting, idiag_inode: inode })
  body.set([port >> 8, port & 255], INET_DIAG_LOCAL.port)
  body.set(address, INET_DIAG_LOCAL.address)
  return { type: 20, flags: 0, seq: 1, body: joined(body, attribute(INET_DIAG_SKV6ONLY, Uint8Array.of(only6))) }
}

const IPV6_ONE = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
const { LISTEN, SYN_RECV, ESTABLISHED } = TCP_STATE

describe("readListeners", () => {
  const table = readListeners(
    [
      { family: AF.INET, replies: [answer(1, 80, [127, 0, 0, 1], LISTEN, 3), answer(2, 81, [], LISTEN), answer(0, 80, [], SYN_RECV)] },
      { family: AF.INET6, replies: [answer(3, 82, [], LISTEN), answer(4, 83, [], LISTEN, 0, 1), answer(5, 84, IPV6_ONE, LISTEN)] },
      { family: AF.INET, replies: [answer(6, 85, [], LISTEN), answer(1, 86, [], ESTABLISHED)] },
    ],
    new Set([1n, 2n, 3n, 4n, 5n]),
  )
  test("finds the listening sockets of the tree alone, with what they listen to and who waits", () => {
    expect(table.listeners).toEqual([
      { inode: 1n, port: 80, address: Uint8Array.of(127, 0, 0, 1), family: "IPV4", waiting: 3 },
      { inode: 2n, port: 81, address: undefined, family: "IPV4", waiting: 0 },
      { inode: 3n, port: 82, address: undefined, family: undefined, waiting: 0 },
      { inode: 4n, port: 83, address: undefined, family: "IPV6", waiting: 0 },
      { inode: 5n, port: 84, address: Uint8Array.from(IPV6_ONE), family: "IPV6", waiting: 0 },
    ])
  })
  test("finds the ports of connections that are being made", () => expect([...table.arriving]).toEqual([80]))
})

describe("synFilter", () => {
  const names = (listener: Partial<Listener>) =>
    synFilter({ inode: 1n, port: 80, address: undefined, family: undefined, waiting: 0, ...listener }).map(
      (part) => /meta|cmp|payload|bitwise|immediate/.exec(Buffer.from(part).toString("latin1"))?.[0],
    )
  test("a listener to any address is held by its port, whatever the family", () =>
    expect(names({})).toEqual(["meta", "cmp", "payload", "cmp", "payload", "bitwise", "cmp", "immediate"]))
  test("a listener of one family and address is held for these alone", () => {
    const head = ["meta", "cmp"]
    expect(names({ family: "IPV4" }).slice(0, 5)).toEqual([...head, "meta", "cmp", "payload"])
    expect(names({ family: "IPV6", address: Uint8Array.from(IPV6_ONE) })).toHaveLength(12)
  })
})
