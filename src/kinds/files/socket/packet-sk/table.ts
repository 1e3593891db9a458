import { NETLINK } from "../../../../../ffi/abi/netlink.ts"
import {
  LONGEST_ADDRESS,
  PACKET_DIAG,
  PACKET_SHOW,
  packetDiagInfo,
  packetDiagMclist,
  packetDiagMsg,
  packetDiagReq,
  packetDiagRing,
  tpacketReq3,
} from "../../../../../ffi/abi/packet.ts"
import { AF } from "../../../../../ffi/abi/socket.ts"
import { type Decoded, decode, encode } from "../../../../../ffi/layout.ts"
import { SyscallError } from "../../../../../ffi/syscall.ts"
import type { packet_mclist, packet_ring } from "../../../../../proto/gen/packet-sock_pb.ts"
import { askSockets } from "../diag.ts"
import { openNetlink, parseAttributes, type Reply } from "../netlink.ts"

/** What the kernel's table says of a packet socket. */
export interface PacketSocket {
  /** In the machine's order. */
  readonly protocol: number
  readonly info: Decoded<typeof packetDiagInfo>
  /** Memberships, the newest first; one that was taken several times stands there as often. */
  readonly members: readonly packet_mclist[]
  readonly rx: packet_ring | undefined
  readonly tx: packet_ring | undefined
  /** Id and way of its group; undefined when it is in none. */
  readonly fanout: number | undefined
  /** What nobody has read yet, bytes as the kernel counts. */
  readonly queued: number
}

/** The index of a device that has gone. Kernel: net/packet/af_packet.c packet_notifier() */
export const GONE = 0xffffffff

function membersOf(list: Uint8Array): packet_mclist[] {
  const { size } = packetDiagMclist
  return Array.from({ length: Math.floor(list.length / size) }, (_, index) => index * size).flatMap((at) => {
    const { pdmc_index: index, pdmc_count, pdmc_type: type, pdmc_alen } = decode(packetDiagMclist, list, at)
    const from = at + size - LONGEST_ADDRESS
    const addr = list.slice(from, from + Math.min(pdmc_alen, LONGEST_ADDRESS))
    return Array.from({ length: pdmc_count }, () => ({ index, type, addr }))
  })
}

function ringOf(bytes: Uint8Array | undefined): packet_ring | undefined {
  if (!bytes) return undefined
  const ring = decode(packetDiagRing, bytes)
  return {
    block_size: ring.pdr_block_size,
    block_nr: ring.pdr_block_nr,
    frame_size: ring.pdr_frame_size,
    frame_nr: ring.pdr_frame_nr,
    retire_tmo: ring.pdr_retire_tmo,
    sizeof_priv: ring.pdr_sizeof_priv,
    features: ring.pdr_features,
  }
}

/** A ring as setsockopt(2) takes it. Mirror: ringOf */
export const ringRequest = (ring: packet_ring): Uint8Array =>
  encode(tpacketReq3, {
    tp_block_size: ring.block_size,
    tp_block_nr: ring.block_nr,
    tp_frame_size: ring.frame_size,
    tp_frame_nr: ring.frame_nr,
    tp_retire_blk_tov: ring.retire_tmo,
    tp_sizeof_priv: ring.sizeof_priv,
    tp_feature_req_word: ring.features,
  })

/** Bytes that mmap(2) of a socket with these rings takes. Kernel: net/packet/af_packet.c packet_mmap() */
export const ringBytes = (...rings: readonly (packet_ring | undefined)[]): number =>
  rings.reduce((sum, ring) => sum + (ring ? ring.block_size * ring.block_nr : 0), 0)

/** Inode and facts of one answer. Kernel: net/packet/diag.c sk_diag_fill() */
export function parsePacket({ body }: Reply): [inode: bigint, PacketSocket] {
  const { pdiag_num, pdiag_ino } = decode(packetDiagMsg, body)
  const attributes = parseAttributes(body.subarray(packetDiagMsg.size))
  const word = (name: number): number | undefined => {
    const bytes = attributes.get(name)
    return bytes && new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true)
  }
  const info = decode(packetDiagInfo, attributes.get(PACKET_DIAG.INFO) ?? new Uint8Array(packetDiagInfo.size))
  const socket = {
    protocol: pdiag_num,
    info,
    members: membersOf(attributes.get(PACKET_DIAG.MCLIST) ?? new Uint8Array(0)),
    rx: ringOf(attributes.get(PACKET_DIAG.RX_RING)),
    tx: ringOf(attributes.get(PACKET_DIAG.TX_RING)),
    fanout: word(PACKET_DIAG.FANOUT),
    queued: word(PACKET_DIAG.MEMINFO) ?? 0,
  }
  return [BigInt(pdiag_ino), socket]
}

/** Packet sockets by their inodes, in one question. @throws SyscallError ENOENT a kernel without CONFIG_PACKET_DIAG */
export function readPacketSockets(): ReadonlyMap<bigint, PacketSocket> {
  const { INFO, MCLIST, RING_CFG, FANOUT, MEMINFO } = PACKET_SHOW
  const request = encode(packetDiagReq, { sdiag_family: AF.PACKET, pdiag_show: INFO | MCLIST | RING_CFG | FANOUT | MEMINFO })
  using netlink = openNetlink(NETLINK.SOCK_DIAG)
  return new Map(askSockets(netlink, request).map(parsePacket))
}

/**
 * As `readPacketSockets`; none where the kernel was built without the table (CONFIG_PACKET_DIAG).
 *
 * @param isWanted false: nothing is asked   Precondition: they are in the network namespace that we are in.
 */
export function findPacketSockets(isWanted: boolean): ReadonlyMap<bigint, PacketSocket> {
  if (!isWanted) return new Map()
  try {
    return readPacketSockets()
  } catch (error) {
    if (error instanceof SyscallError && (error.errno === "ENOENT" || error.errno === "EINVAL")) return new Map()
    throw error
  }
}
