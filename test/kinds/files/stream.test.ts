import { describe, expect, test } from "bun:test"
import { FIONREAD } from "../../../ffi/abi/file.ts"
import {
  AF,
  IPPROTO,
  SHUT,
  SIOC,
  SOCK,
  sockaddrIn,
  TCP,
  TCP_QUEUE,
  TCP_REPAIR,
  TCP_STATE,
  tcpRepairWindow,
} from "../../../ffi/abi/socket.ts"
import { decode, encode } from "../../../ffi/layout.ts"
import { isFailure, syscall } from "../../../ffi/syscall.ts"
import type { inet_sk_entry } from "../../../proto/gen/sk-inet_pb.ts"
import { askAddress, askCount, askNumber, askOption, offerOption, tellOption } from "../../../src/kinds/files/socket/ask.ts"
import { lostOnTheWay, outwards } from "../../../src/kinds/files/socket/inet/connections.ts"
import { makeSegment } from "../../../src/kinds/files/socket/inet/packet.ts"
import { restoreStream } from "../../../src/kinds/files/socket/inet/restore-stream.ts"
import { readStream } from "../../../src/kinds/files/socket/inet/stream.ts"
import { askTcp } from "../../../src/kinds/files/socket/inet/tcp-info.ts"
import { Program } from "../../../src/tracee/program.ts"
import { waitFor } from "../../harness/deadline.ts"
import { skip } from "../../harness/skip.ts"
import { tcp } from "./inet.ts"
import { close, given } from "./plans.ts"

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

describe("lostOnTheWay", () => {
  const [a, b] = [Uint8Array.of(127, 0, 0, 1), Uint8Array.of(127, 0, 0, 2)] as const
  const there = { source: a, sourcePort: 1, target: b, targetPort: 2 }
  const back = { source: b, sourcePort: 2, target: a, targetPort: 1 }
  const lost = (outq_seq: number, outq_len: number, inq_seq: number): string[] =>
    lostOnTheWay([
      { ends: there, queues: { outq_seq, outq_len, inq_seq: 7 } },
      { ends: back, queues: { outq_seq: 7, outq_len: 0, inq_seq } },
    ])

  test("tells what one end holds for delivered and the other has not got, over the end of the numbers too", () => {
    const sentence = (bytes: number): string =>
      `${bytes} bytes on their way from 127.0.0.1:1 to 127.0.0.2:2: nothing held packets off (--network-lock skip), and the connection waits for them for ever`
    expect(lost(1000, 0, 900)).toEqual([sentence(100)])
    expect(lost(50, 0, 0xffff_fff0)).toEqual([sentence(66)])
  })

  test("says nothing of what is still to be acknowledged, of a FIN, and of a peer that is elsewhere", () => {
    expect(lost(1000, 100, 900)).toEqual([])
    expect(lost(1000, 100, 1000)).toEqual([])
    expect(lost(1000, 0, 999)).toEqual([])
    expect(lostOnTheWay([{ ends: there, queues: { outq_seq: 1000, outq_len: 0, inq_seq: 7 } }])).toEqual([])
  })
})

/** Both ends of a connection on the loopback. */
function pair(): readonly [client: number, server: number] {
  const [listener, client] = [0, 0].map(() => syscall("socket", AF.INET, SOCK.STREAM | SOCK.CLOEXEC, 0)) as [number, number]
  syscall("bind", listener, given(encode(sockaddrIn, { sin_family: AF.INET, sin_addr: 0x0100007f })), sockaddrIn.size)
  syscall("listen", listener, 1)
  syscall("connect", client, given(askAddress(listener, "getsockname") ?? new Uint8Array()), sockaddrIn.size)
  const server = syscall("accept4", listener, 0, 0, SOCK.CLOEXEC)
  close(listener)
  return [client, server]
}

const probe = syscall("socket", AF.INET, SOCK.STREAM | SOCK.CLOEXEC, 0)
const mayRepair = !isFailure(offerOption(probe, IPPROTO.TCP, TCP.REPAIR, TCP_REPAIR.ON))
close(probe)
if (!mayRepair) skip("a connection of our own may not be put into repair mode here")

test.skipIf(!mayRepair)(
  "readStream tells the numbers that the chosen queues tell, however long ago the window was told, and leaves it as it was",
  async () => {
    const set = (fd: number, name: number, value: number | Uint8Array): void => tellOption(fd, IPPROTO.TCP, name, value)
    const askWindow = (fd: number) => {
      const bytes = askOption(fd, IPPROTO.TCP, TCP.REPAIR_WINDOW, tcpRepairWindow.size)
      return decode(tcpRepairWindow, bytes ?? new Uint8Array(0))
    }
    for (const [length, ends] of [
      [0, false],
      [1, false],
      [3000, false],
      [7, true],
      [0, true],
    ] as const)
      for (const ago of [0, 1, 2, 1000, 70_000]) {
        const both = pair()
        const [client, server] = both
        if (length > 0) syscall("sendto", client, given(new Uint8Array(length).fill(7)), length, 0, 0, 0)
        if (ends) syscall("shutdown", client, SHUT.WR)
        const [sender, receiver] = ends ? [TCP_STATE.FIN_WAIT2, TCP_STATE.CLOSE_WAIT] : [TCP_STATE.ESTABLISHED, TCP_STATE.ESTABLISHED]
        await waitFor("the bytes and the end", () => askCount(server, FIONREAD) === length && askTcp(server).state === receiver)
        // An acknowledgement that is still on its way would change the window between two looks.
        await waitFor("all of it to be acknowledged", () => askCount(client, SIOC.OUTQ) === 0 && askTcp(client).state === sender)
        for (const fd of both) {
          set(fd, TCP.REPAIR, TCP_REPAIR.ON)
          const window = askWindow(fd)
          const before = { ...window, rcv_wup: (window.rcv_wup - ago) >>> 0 }
          set(fd, TCP.REPAIR_WINDOW, encode(tcpRepairWindow, before))
          set(fd, TCP.REPAIR, TCP_REPAIR.OFF_NO_WP)
          const { message, payload } = readStream(fd, "live")
          expect(askNumber(fd, IPPROTO.TCP, TCP.REPAIR)).toBe(0)
          set(fd, TCP.REPAIR, TCP_REPAIR.ON)
          const after = askWindow(fd)
          const numbers = [TCP_QUEUE.RECV, TCP_QUEUE.SEND].map((queue) => {
            set(fd, TCP.REPAIR_QUEUE, queue)
            return (askNumber(fd, IPPROTO.TCP, TCP.QUEUE_SEQ) ?? 0) >>> 0
          })
          expect([message.inq_seq, message.outq_seq]).toEqual(numbers)
          expect(payload.every((byte) => byte === 7)).toBe(true)
          if (fd === server) expect(message.inq_len).toBe(length)
          // Unless an acknowledgement that was due went meanwhile.
          if (after.rcv_wup !== message.inq_seq) expect([after, message]).toEqual([before, expect.objectContaining(before)])
        }
        for (const fd of both) close(fd)
      }
  },
)
