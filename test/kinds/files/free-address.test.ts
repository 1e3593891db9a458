import { describe, expect, test } from "bun:test"
import { createSocket } from "node:dgram"
import { AF, IPPROTO, SOCK, TCP_STATE } from "../../../ffi/abi/socket.ts"
import type { file_entry } from "../../../proto/gen/fdinfo_pb.ts"
import type { inet_sk_entry } from "../../../proto/gen/sk-inet_pb.ts"
import { wordsOf } from "../../../src/kinds/files/socket/inet/address.ts"
import { takenAddresses } from "../../../src/kinds/files/socket/inet/free.ts"
import { tcp } from "./inet.ts"

const LOOPBACK = wordsOf(Uint8Array.of(127, 0, 0, 1))
/** Of no machine: RFC 5737, TEST-NET-3. */
const NOWHERE = wordsOf(Uint8Array.of(203, 0, 113, 1))
const udp = { ...tcp, type: SOCK.DGRAM, proto: IPPROTO.UDP, state: TCP_STATE.CLOSE, src_addr: LOOPBACK }

/** What stands against the address of one socket. */
function found(isk: inet_sk_entry, given: readonly number[] = []): string[] {
  const files = new Map([[isk.id, { id: isk.id, isk } as file_entry]])
  const stands = new Map(given.map((id) => [id, { fd: 0, resource: "socket:[900]" }]))
  return takenAddresses({ files, extension: [] }, stands).map((error) => `${error.action}: ${error.found}`)
}

/** A listener of ours, and the port that it got. */
function listening() {
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } })
  return { port: server.port, [Symbol.dispose]: () => server.stop(true) }
}

describe("takenAddresses", () => {
  test("a port that another program listens on, and none once it does not", () => {
    let port = 0
    {
      using server = listening()
      port = server.port
      const taken = [`Cannot restore TCP 127.0.0.1:${port} listening: another program uses the address of one of its sockets`]
      expect(found({ ...tcp, src_port: port })).toEqual(taken)
      expect(found({ ...tcp, src_addr: [0], src_port: port })).toHaveLength(1)
      expect(found({ ...tcp, src_port: port }, [tcp.id])).toEqual([])
      // Another protocol's ports are other ports.
      expect(found({ ...udp, src_port: port })).toEqual([])
    }
    expect(found({ ...tcp, src_port: port })).toEqual([])
  })

  test("a port for datagrams", async () => {
    const other = createSocket("udp4")
    await new Promise<void>((resolve) => other.bind(0, "127.0.0.1", resolve))
    const { port } = other.address()
    expect(found({ ...udp, src_port: port })).toHaveLength(1)
    await new Promise<void>((resolve) => other.close(resolve))
    expect(found({ ...udp, src_port: port })).toEqual([])
  })

  test("an address that no device has, unless the socket may have such (IP_FREEBIND)", () => {
    const away = { ...tcp, src_addr: NOWHERE, src_port: 0 }
    expect(found(away)).toEqual(["Cannot restore TCP 203.0.113.1:0 listening: this machine lacks the address of one of its sockets"])
    expect(found({ ...away, ip_opts: { freebind: true } as inet_sk_entry["ip_opts"] })).toEqual([])
  })

  test("IPv6 apart from IPv4 where the socket says so", () => {
    using server = listening()
    const six = { ...tcp, family: AF.INET6, src_addr: wordsOf(new Uint8Array(16)), dst_addr: [0, 0, 0, 0], src_port: server.port }
    expect(found({ ...six, v6only: true })).toEqual([])
    expect(found({ ...six, v6only: false })).toHaveLength(1)
  })

  test("none of what is not bound, nor of a connection", () => {
    using server = listening()
    expect(found({ ...tcp, src_addr: [0], src_port: 0 })).toEqual([])
    expect(found({ ...tcp, state: TCP_STATE.ESTABLISHED, src_port: server.port, dst_addr: LOOPBACK, dst_port: 1 })).toEqual([])
  })
})
