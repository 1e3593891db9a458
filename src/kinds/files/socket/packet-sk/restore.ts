import { LONGEST_ADDRESS, PACKET, packetMreq, SOL_PACKET, sockaddrLl } from "../../../../../ffi/abi/packet.ts"
import { AF, SO, SOCK, SOL_SOCKET } from "../../../../../ffi/abi/socket.ts"
import { encode } from "../../../../../ffi/layout.ts"
import type { packet_sock_entry } from "../../../../../proto/gen/packet-sock_pb.ts"
import type { stasis_file_entry } from "../../../../../proto/gen/stasis_pb.ts"
import type { Program, Result } from "../../../../tracee/program.ts"
import type { Restoring } from "../../restoring.ts"
import { restoreBeyond } from "../beyond.ts"
import { deviceName, deviceNumber } from "../device.ts"
import { restoreBuffers, restoreSocketOptions, setOption } from "../options.ts"
import { ringRequest } from "./table.ts"

/** No group. Kernel: none, this is CRIU's. Authority: REFERENCE 5.8 */
const NO_FANOUT = 0xffffffff

/**
 * Where the name of a device stands in a bind(2) of SOCK_PACKET, and bytes of its address. Header: include/linux/socket.h struct sockaddr
 */
const [NAME_AT, SOCKADDR] = [2, 16]

/** Name that a device had, by its number then; undefined where images do not say. */
export const savedName = (index: number, extension: stasis_file_entry | undefined): string | undefined =>
  extension?.packet_devices?.devices.find((one) => one.index === index)?.name

/** Number of a device here: by its name, where images have it, for numbers are given anew at each boot. Undefined when there is none. */
export function deviceHere(index: number, extension: stasis_file_entry | undefined): number | undefined {
  const name = savedName(index, extension)
  if (name !== undefined) return deviceNumber(name)
  return deviceName(index) === undefined ? undefined : index
}

/** Appends the options that CRIU keeps. They come before the rings, which fix most of them. Sockets of SOCK_PACKET have none. */
function restoreOptions(entry: packet_sock_entry, program: Program, fd: Result, about: string): void {
  const values = [
    [PACKET.VERSION, entry.version],
    [PACKET.VNET_HDR, entry.vnet_hdr],
    [PACKET.RESERVE, entry.reserve],
    [PACKET.LOSS, entry.loss],
    [PACKET.COPY_THRESH, entry.copy_thresh],
    [PACKET.TIMESTAMP, entry.timestamp],
    [PACKET.AUXDATA, entry.aux_data],
    [PACKET.ORIGDEV, entry.orig_dev],
  ] as const
  for (const [name, value] of values) if (value) setOption(program, fd, SOL_PACKET, name, Number(value), `option ${name} of ${about}`)
}

/** Appends one membership. */
function join(index: number, type: number, addr: Uint8Array, program: Program, fd: Result, about: string): void {
  const request = new Uint8Array(packetMreq.size - 8 + LONGEST_ADDRESS)
  request.set(encode(packetMreq, { mr_ifindex: index, mr_type: type, mr_alen: addr.length }))
  request.set(addr, packetMreq.size - 8)
  setOption(program, fd, SOL_PACKET, PACKET.ADD_MEMBERSHIP, request, `a membership of kind ${type} of ${about}`)
}

/**
 * An entry -> a packet socket appended to the program: with options, rings and memberships, then bound, then in its group. Mirror:
 * ./collect.ts Nothing comes in before it is bound, but for SOCK_PACKET, which is of its protocol from the first. Lost: packets in its
 * queue and rings.
 */
export function restorePacket(entry: packet_sock_entry, { program, extension }: Pick<Restoring, "program" | "extension">): Result {
  const { id, type, protocol, ifindex, opts, mclist, fanout = NO_FANOUT, rx_ring, tx_ring } = entry
  const about = `the packet socket ${id}`
  const mine = extension.get(id)
  const here = (index: number): number => deviceHere(index, mine) ?? index
  const isOld = type === SOCK.PACKET
  const fd = program.callWith({ about }, "socket", AF.PACKET, type, isOld ? protocol : 0)
  restoreSocketOptions(opts, program, fd, about)
  if (opts.reuseaddr) setOption(program, fd, SOL_SOCKET, SO.REUSEADDR, 1, about)
  restoreBuffers(opts, program, fd, about)
  if (!isOld) restoreOptions(entry, program, fd, about)
  restoreBeyond(mine?.socket_options?.options ?? [], program, fd, about)
  if (rx_ring) setOption(program, fd, SOL_PACKET, PACKET.RX_RING, ringRequest(rx_ring), `the receive ring of ${about}`)
  if (tx_ring) setOption(program, fd, SOL_PACKET, PACKET.TX_RING, ringRequest(tx_ring), `the send ring of ${about}`)
  // The kernel puts each in front of those before it.
  for (const { index, type: kind, addr } of mclist.toReversed()) join(here(index), kind, addr, program, fd, about)
  if (isOld && ifindex !== 0) {
    const address = new Uint8Array(SOCKADDR)
    new DataView(address.buffer).setUint16(0, AF.PACKET, true)
    address.set(Buffer.from(deviceName(here(ifindex)) ?? "", "latin1").subarray(0, SOCKADDR - NAME_AT - 1), NAME_AT)
    program.callWith({ about: `the device of ${about}` }, "bind", fd, program.bytes(address), SOCKADDR)
  } else if (!isOld && (ifindex !== 0 || protocol !== 0)) {
    const address = encode(sockaddrLl, { sll_family: AF.PACKET, sll_protocol: protocol, sll_ifindex: ifindex === 0 ? 0 : here(ifindex) })
    program.callWith({ about: `the device of ${about}` }, "bind", fd, program.bytes(address), sockaddrLl.size)
  }
  if (fanout !== NO_FANOUT) setOption(program, fd, SOL_PACKET, PACKET.FANOUT, fanout | 0, `the fanout of ${about}`)
  return fd
}
