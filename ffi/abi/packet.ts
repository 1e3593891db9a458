import { layout } from "../layout.ts"

/** Header: include/linux/socket.h */
export const SOL_PACKET = 263
/** Options of packet sockets. Header: include/uapi/linux/if_packet.h */
export const PACKET = {
  ADD_MEMBERSHIP: 1,
  RX_RING: 5,
  COPY_THRESH: 7,
  AUXDATA: 8,
  ORIGDEV: 9,
  VERSION: 10,
  RESERVE: 12,
  TX_RING: 13,
  LOSS: 14,
  VNET_HDR: 15,
  TIMESTAMP: 17,
  FANOUT: 18,
  TX_HAS_OFF: 19,
  QDISC_BYPASS: 20,
  IGNORE_OUTGOING: 23,
  VNET_HDR_SZ: 24,
} as const
/** Ways to share packets that run a program. Header: include/uapi/linux/if_packet.h */
export const PACKET_FANOUT = { CBPF: 6, EBPF: 7 } as const
/** Bytes of the longest address of a device. Header: include/linux/netdevice.h MAX_ADDR_LEN */
export const LONGEST_ADDRESS = 32

/** Protocol and address are in network order. */
export const sockaddrLl = layout("struct sockaddr_ll", "include/uapi/linux/if_packet.h", 20, {
  sll_family: [0, "u16"],
  sll_protocol: [2, "u16"],
  sll_ifindex: [4, "i32"],
})
/**
 * Behind it stand LONGEST_ADDRESS bytes, of which `mr_alen` count; struct packet_mreq has room for 8 alone. Kernel: net/packet/internal.h
 */
export const packetMreq = layout("struct packet_mreq", "include/uapi/linux/if_packet.h", 16, {
  mr_ifindex: [0, "i32"],
  mr_type: [4, "u16"],
  mr_alen: [6, "u16"],
})
/** Of the first two versions, the first four members. */
export const tpacketReq3 = layout("struct tpacket_req3", "include/uapi/linux/if_packet.h", 28, {
  tp_block_size: [0, "u32"],
  tp_block_nr: [4, "u32"],
  tp_frame_size: [8, "u32"],
  tp_frame_nr: [12, "u32"],
  tp_retire_blk_tov: [16, "u32"], // ms
  tp_sizeof_priv: [20, "u32"], // bytes
  tp_feature_req_word: [24, "u32"],
})

/** Question after all packet sockets. Header: include/uapi/linux/packet_diag.h */
export const packetDiagReq = layout("struct packet_diag_req", "include/uapi/linux/packet_diag.h", 20, {
  sdiag_family: [0, "u8"],
  sdiag_protocol: [1, "u8"],
  pdiag_ino: [4, "u32"],
  pdiag_show: [8, "u32"],
})
export const packetDiagMsg = layout("struct packet_diag_msg", "include/uapi/linux/packet_diag.h", 16, {
  pdiag_family: [0, "u8"],
  pdiag_type: [1, "u8"],
  pdiag_num: [2, "u16"], // the protocol, in the machine's order
  pdiag_ino: [4, "u32"],
})
export const PACKET_SHOW = { INFO: 1, MCLIST: 2, RING_CFG: 4, FANOUT: 8, MEMINFO: 0x10 } as const
/** Attributes that answer them. The first word of MEMINFO is what is in the queue, bytes as the kernel counts. */
export const PACKET_DIAG = { INFO: 0, MCLIST: 1, RX_RING: 2, TX_RING: 3, FANOUT: 4, MEMINFO: 6 } as const
export const packetDiagInfo = layout("struct packet_diag_info", "include/uapi/linux/packet_diag.h", 24, {
  pdi_index: [0, "u32"],
  pdi_version: [4, "u32"],
  pdi_reserve: [8, "u32"],
  pdi_copy_thresh: [12, "u32"],
  pdi_tstamp: [16, "u32"],
  pdi_flags: [20, "u32"],
})
/** Bits of pdi_flags. */
export const PDI = { AUXDATA: 2, ORIGDEV: 4, VNETHDR: 8, LOSS: 0x10 } as const
/** Its address is LONGEST_ADDRESS bytes at 12. */
export const packetDiagMclist = layout("struct packet_diag_mclist", "include/uapi/linux/packet_diag.h", 44, {
  pdmc_index: [0, "u32"],
  pdmc_count: [4, "u32"],
  pdmc_type: [8, "u16"],
  pdmc_alen: [10, "u16"],
})
export const packetDiagRing = layout("struct packet_diag_ring", "include/uapi/linux/packet_diag.h", 28, {
  pdr_block_size: [0, "u32"],
  pdr_block_nr: [4, "u32"],
  pdr_frame_size: [8, "u32"],
  pdr_frame_nr: [12, "u32"],
  pdr_retire_tmo: [16, "u32"], // ms
  pdr_sizeof_priv: [20, "u32"], // bytes
  pdr_features: [24, "u32"],
})
