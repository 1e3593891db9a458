import { describe, expect, test } from "bun:test"
import { TCP_STATE } from "../../../ffi/abi/socket.ts"
import type { inet_sk_entry } from "../../../proto/gen/sk-inet_pb.ts"
import { outwards } from "../../../src/kinds/files/socket/inet/connections.ts"
import { makeSegment } from "../../../src/kinds/files/socket/inet/packet.ts"
import { restoreStream } from "../../../src/kinds/files/socket/inet/restore-stream.ts"
import { Program } from "../../../src/tracee/program.ts"
import { tcp } from "./inet.ts"

describe("restoreStream", () => {
  const connection: inet_sk_entry = { ...tcp, state: TCP_STATE.ESTABLISHED, dst_port: 9, dst_addr: [0x0200007f], flags: 2 }
  const message = {
    inq_len: 3,
    inq_seq: 1003,
    outq_len: 5,
    outq_seq: 2005,
    opt_mask: 7,
    snd_wscale: 7,
    rcv_wscale: 9,
    mss_clamp: 1460,
    timestamp: 77,
    unsq_len: 2,
    snd_wl1: 1,
    snd_wnd: 2048,
    max_window: 4096,
    rcv_wnd: 100,
    rcv_wup: 1003,
  }
  const payload = Buffer.from("abcABCDE")
  const plan = (change: Partial<inet_sk_entry>): string[] => {
    const program = new Program()
    const fd = program.call("socket", 2, 1, 6)
    restoreStream({ ...connection, ...change }, { message, payload }, program, fd)
    return program.describe().map((line) => line.replace(/^#\d+ /, "").replace(/ \/\/.*/, ""))
  }
  const sends = (lines: readonly string[]) => lines.filter((line) => line.startsWith("sendto(#0")).map((line) => /"(.*)"/.exec(line)?.[1])

  test("sets both numbers before connect, fills both queues, and sends out of repair mode what was not sent", () => {
    const lines = plan({})
    expect(sends(lines)).toEqual(["abc", "ABC", "DE"])
    const numbers = lines.filter((line) => line.startsWith("setsockopt(#0, 6, 0x15,"))
    expect(numbers).toHaveLength(2)
    expect(numbers[0]).toContain("\\u0003") // 1000 is 0x3e8
    expect(lines.indexOf(numbers[1] ?? "")).toBeLessThan(lines.findIndex((line) => line.startsWith("connect")))
    const modes = lines.filter((line) => line.startsWith("setsockopt(#0, 6, 0x13,")).map((line) => /, "(.*?)"/.exec(line)?.[1])
    expect(modes).toEqual(["\\u0001\\u0000\\u0000\\u0000", "ÿÿÿÿ", "\\u0001\\u0000\\u0000\\u0000"])
    expect(lines.some((line) => line.startsWith("shutdown"))).toBe(false)
  })

  test.each<[string, number, string[]]>([
    ["FIN_WAIT1", TCP_STATE.FIN_WAIT1, ["shutdown"]],
    ["FIN_WAIT2", TCP_STATE.FIN_WAIT2, ["shutdown", "forged"]],
    ["CLOSE_WAIT", TCP_STATE.CLOSE_WAIT, ["forged"]],
    ["LAST_ACK", TCP_STATE.LAST_ACK, ["forged", "shutdown"]],
    ["CLOSING", TCP_STATE.CLOSING, ["shutdown", "forged"]],
  ])("makes the ends of %s in their order", (_, state, wanted) => {
    const kinds = plan({ state }).flatMap((line) =>
      line.startsWith("shutdown") ? ["shutdown"] : line.startsWith("sendto(") && !line.startsWith("sendto(#0") ? ["forged"] : [],
    )
    expect(kinds).toEqual(wanted)
  })
})

test("makeSegment sums up as the receiver will", () => {
  const sum = (bytes: Uint8Array): number => {
    let total = 0
    for (let at = 0; at < bytes.length; at += 2) total += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
    while (total > 0xffff) total = (total & 0xffff) + (total >>> 16)
    return total
  }
  for (const length of [4, 16]) {
    const [source, target] = [new Uint8Array(length).fill(10), new Uint8Array(length).fill(20)]
    const packet = makeSegment({ source, sourcePort: 80, target, targetPort: 90 }, 0xfffffffe, 5, 0x11, 512)
    const segment = packet.subarray(packet.length - 20)
    expect(sum(Uint8Array.of(...source, ...target, 0, 6, 0, 20, ...segment))).toBe(0xffff)
    expect([packet[0], packet.length]).toEqual(length === 4 ? [0x45, 40] : [0x60, 60])
  }
})

test("outwards tells connections whose peers are not among them", () => {
  const [a, b, c] = [Uint8Array.of(1, 1, 1, 1), Uint8Array.of(2, 2, 2, 2), Uint8Array.of(3, 3, 3, 3)] as const
  const there = { source: a, sourcePort: 1, target: b, targetPort: 2 }
  const back = { source: b, sourcePort: 2, target: a, targetPort: 1 }
  const away = { source: a, sourcePort: 1, target: c, targetPort: 2 }
  expect(outwards([there, away, back])).toEqual([away])
})
