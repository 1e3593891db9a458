import { layout } from "../layout.ts"

/** Head of every netlink message; `len` counts it too. Attributes and messages begin at multiples of 4 bytes. */
export const nlmsghdr = layout("struct nlmsghdr", "include/uapi/linux/netlink.h", 16, {
  nlmsg_len: [0, "u32"],
  nlmsg_type: [4, "u16"],
  nlmsg_flags: [6, "u16"],
  nlmsg_seq: [8, "u32"],
  nlmsg_pid: [12, "u32"],
})

/** Families of netlink sockets. Header: include/uapi/linux/netlink.h */
export const NETLINK = { SOCK_DIAG: 4, NETFILTER: 12 } as const
/** Header: include/uapi/linux/netlink.h. DUMP is ROOT and MATCH. */
export const NLM_F = { REQUEST: 1, ACK: 4, DUMP_INTR: 0x10, EXCL: 0x200, DUMP: 0x300, CREATE: 0x400 } as const
/** Kinds of messages that every family has. Header: include/uapi/linux/netlink.h */
export const NLMSG = { ERROR: 2, DONE: 3 } as const
/** An attribute that holds attributes. Header: include/uapi/linux/netlink.h */
export const NLA_F_NESTED = 0x8000

/** Kind of all questions about sockets. Header: include/uapi/linux/sock_diag.h */
export const SOCK_DIAG_BY_FAMILY = 20
/** The states of interest are one bit each; ports and addresses are in network order. */
export const inetDiagReqV2 = layout("struct inet_diag_req_v2", "include/uapi/linux/inet_diag.h", 56, {
  sdiag_family: [0, "u8"],
  sdiag_protocol: [1, "u8"],
  idiag_ext: [2, "u8"],
  idiag_states: [4, "u32"],
})
export const inetDiagMsg = layout("struct inet_diag_msg", "include/uapi/linux/inet_diag.h", 72, {
  idiag_family: [0, "u8"],
  idiag_state: [1, "u8"],
  idiag_rqueue: [56, "u32"], // bytes; connections of a listening socket
  idiag_wqueue: [60, "u32"],
  idiag_inode: [68, "u32"],
})
/**
 * Attributes of an answer: facts of TCP, halves that were shut down. Bit N - 1 of idiag_ext asks for attribute N. Header:
 * include/uapi/linux/inet_diag.h
 */
export const INET_DIAG_INFO = 2
export const INET_DIAG_SHUTDOWN = 8
/** Told to who has CAP_NET_ADMIN, of a socket with keys: what they sign. Since Linux 4.14 */
export const INET_DIAG_MD5SIG = 18
/** Told to him of a connection with an upper layer in the kernel: its name stands in INET_ULP_INFO_NAME. Since Linux 5.4 */
export const INET_DIAG_ULP_INFO = 19
export const INET_ULP_INFO_NAME = 1
/** Told of every listening socket of IPv6: 1, it takes no IPv4. */
export const INET_DIAG_SKV6ONLY = 11
/** Where the answer has the local port and address (of 4 or 16 bytes), both in network order: struct inet_diag_sockid begins at 4. */
export const INET_DIAG_LOCAL = { port: 4, address: 8 } as const

/** Header: include/uapi/linux/unix_diag.h */
export const unixDiagReq = layout("struct unix_diag_req", "include/uapi/linux/unix_diag.h", 24, {
  sdiag_family: [0, "u8"],
  sdiag_protocol: [1, "u8"],
  udiag_states: [4, "u32"], // bit n: state n
  udiag_ino: [8, "u32"],
  udiag_show: [12, "u32"],
})
export const unixDiagMsg = layout("struct unix_diag_msg", "include/uapi/linux/unix_diag.h", 16, {
  udiag_family: [0, "u8"],
  udiag_type: [1, "u8"],
  udiag_state: [2, "u8"],
  udiag_ino: [4, "u32"],
})
export const UDIAG_SHOW = { NAME: 1, VFS: 2, PEER: 4, ICONS: 8, RQLEN: 0x10 } as const
/** Attributes that answer them. */
export const UNIX_DIAG = { NAME: 0, VFS: 1, PEER: 2, ICONS: 3, RQLEN: 4, SHUTDOWN: 6 } as const

/** Address of a netlink socket. Header: include/uapi/linux/netlink.h */
export const sockaddrNl = layout("struct sockaddr_nl", "include/uapi/linux/netlink.h", 12, {
  nl_family: [0, "u16"],
  nl_pid: [4, "u32"],
  nl_groups: [8, "u32"], // bit n: group n + 1
})
/** Header: include/linux/socket.h */
export const SOL_NETLINK = 270
/** Options of netlink sockets; the others are switches. Header: include/uapi/linux/netlink.h */
export const NETLINK_OPTION = {
  ADD_MEMBERSHIP: 1,
  PKTINFO: 3,
  BROADCAST_ERROR: 4,
  NO_ENOBUFS: 5,
  LISTEN_ALL_NSID: 8,
  LIST_MEMBERSHIPS: 9,
  CAP_ACK: 10,
  EXT_ACK: 11,
  GET_STRICT_CHK: 12,
} as const
/** Question after the sockets of one protocol. */
export const netlinkDiagReq = layout("struct netlink_diag_req", "include/uapi/linux/netlink_diag.h", 20, {
  sdiag_family: [0, "u8"],
  sdiag_protocol: [1, "u8"],
  ndiag_ino: [4, "u32"],
  ndiag_show: [8, "u32"],
})
export const netlinkDiagMsg = layout("struct netlink_diag_msg", "include/uapi/linux/netlink_diag.h", 28, {
  ndiag_family: [0, "u8"],
  ndiag_protocol: [2, "u8"],
  ndiag_state: [3, "u8"],
  ndiag_portid: [4, "u32"],
  ndiag_ino: [16, "u32"],
})
