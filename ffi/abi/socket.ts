import { layout } from "../layout.ts"

/** Families of addresses. Header: include/linux/socket.h */
export const AF = { UNSPEC: 0, UNIX: 1, INET: 2, INET6: 10, NETLINK: 16, PACKET: 17 } as const
/** Families that are only named. */
export const OTHER_AF = { KEY: 15, CAN: 29, TIPC: 30, BLUETOOTH: 31, ALG: 38, VSOCK: 40, QIPCRTR: 42, SMC: 43, XDP: 44, MCTP: 45 } as const
/** Types of sockets, and the flag that socket(2) takes with them. Header: include/linux/net.h */
export const SOCK = { STREAM: 1, DGRAM: 2, RAW: 3, SEQPACKET: 5, PACKET: 10, CLOEXEC: 0o2000000 } as const
/** Header: include/uapi/linux/in.h, in6.h */
export const IPPROTO = { IP: 0, ICMP: 1, TCP: 6, UDP: 17, IPV6: 41, ICMPV6: 58, UDPLITE: 136, RAW: 255, MPTCP: 262 } as const
/** Header: include/linux/socket.h; that of IP, TCP and the like is the protocol's number. */
export const SOL_SOCKET = 1
/** Header: include/linux/socket.h */
export const MSG = { OOB: 1, PEEK: 2, CTRUNC: 8, TRUNC: 0x20, DONTWAIT: 0x40, NOSIGNAL: 0x4000, CMSG_CLOEXEC: 0x40000000 } as const
/** Halves for shutdown(2). Header: include/linux/net.h */
export const SHUT = { RD: 0, WR: 1, RDWR: 2 } as const

/** Options of every socket. Header: include/uapi/asm-generic/socket.h; the two timeouts are those with a struct of two longs. */
export const SO = {
  DEBUG: 1,
  REUSEADDR: 2,
  TYPE: 3,
  DONTROUTE: 5,
  BROADCAST: 6,
  SNDBUF: 7,
  RCVBUF: 8,
  KEEPALIVE: 9,
  OOBINLINE: 10,
  NO_CHECK: 11,
  PRIORITY: 12,
  LINGER: 13,
  REUSEPORT: 15,
  PASSCRED: 16,
  PEERCRED: 17,
  RCVLOWAT: 18,
  RCVTIMEO: 20,
  SNDTIMEO: 21,
  BINDTODEVICE: 25,
  ATTACH_FILTER: 26,
  TIMESTAMP: 29,
  SNDBUFFORCE: 32,
  RCVBUFFORCE: 33,
  PASSSEC: 34,
  TIMESTAMPNS: 35,
  MARK: 36,
  TIMESTAMPING: 37,
  PROTOCOL: 38,
  DOMAIN: 39,
  RXQ_OVFL: 40,
  WIFI_STATUS: 41,
  PEEK_OFF: 42,
  NOFCS: 43,
  LOCK_FILTER: 44,
  SELECT_ERR_QUEUE: 45,
  BUSY_POLL: 46,
  MAX_PACING_RATE: 47,
  INCOMING_CPU: 49,
  ZEROCOPY: 60,
  TXTIME: 61,
  TIMESTAMP_NEW: 63,
  TIMESTAMPNS_NEW: 64,
  TIMESTAMPING_NEW: 65,
  PREFER_BUSY_POLL: 69,
  BUF_LOCK: 72,
  RESERVE_MEM: 73,
  TXREHASH: 74,
  RCVMARK: 75,
  PASSPIDFD: 76,
  RCVPRIORITY: 82,
  PASSRIGHTS: 83,
} as const

/** Kinds of control messages of SOL_SOCKET. Header: include/linux/socket.h */
export const SCM = { RIGHTS: 1, CREDENTIALS: 2, PIDFD: 4 } as const

/** struct msghdr as the kernel takes it. */
export const msghdr = layout("struct user_msghdr", "include/linux/socket.h", 56, {
  msg_name: [0, "u64"],
  msg_namelen: [8, "i32"],
  msg_iov: [16, "u64"],
  msg_iovlen: [24, "u64"],
  msg_control: [32, "u64"],
  msg_controllen: [40, "u64"],
  msg_flags: [48, "u32"],
})
/** The data follows, the next one stands at a multiple of 8. */
export const cmsghdr = layout("struct cmsghdr", "include/linux/socket.h", 16, {
  cmsg_len: [0, "u64"],
  cmsg_level: [8, "i32"],
  cmsg_type: [12, "i32"],
})
export const ucred = layout("struct ucred", "include/linux/socket.h", 12, { pid: [0, "i32"], uid: [4, "u32"], gid: [8, "u32"] })
export const linger = layout("struct linger", "include/linux/socket.h", 8, { l_onoff: [0, "i32"], l_linger: [4, "i32"] })

/** Bytes of the family in front of a path or name. Header: include/uapi/linux/un.h */
export const UNIX_NAME = 2
/** Opens the file that a unix socket is bound to, as O_PATH does; needs CAP_NET_ADMIN. Header: include/uapi/linux/un.h */
export const SIOCUNIXFILE = 0x89e0

/** Bits of what was shut down. Header: include/net/sock.h */
export const SHUTDOWN = { RCV: 1, SEND: 2 } as const

/** Options of TCP. Header: include/uapi/linux/tcp.h */
export const TCP = {
  NODELAY: 1,
  MAXSEG: 2,
  CORK: 3,
  KEEPIDLE: 4,
  KEEPINTVL: 5,
  KEEPCNT: 6,
  SYNCNT: 7,
  LINGER2: 8,
  DEFER_ACCEPT: 9,
  WINDOW_CLAMP: 10,
  INFO: 11,
  QUICKACK: 12,
  CONGESTION: 13,
  THIN_LINEAR_TIMEOUTS: 16,
  USER_TIMEOUT: 18,
  REPAIR: 19,
  REPAIR_QUEUE: 20,
  QUEUE_SEQ: 21,
  REPAIR_OPTIONS: 22,
  FASTOPEN: 23,
  TIMESTAMP: 24,
  NOTSENT_LOWAT: 25,
  SAVE_SYN: 27,
  REPAIR_WINDOW: 29,
  FASTOPEN_CONNECT: 30,
  ULP: 31,
  FASTOPEN_NO_COOKIE: 34,
  INQ: 36,
  TX_DELAY: 37,
  RTO_MAX_MS: 44,
  RTO_MIN_US: 45,
  DELACK_MAX_US: 46,
} as const
/** Values of TCP_REPAIR: OFF tells the peer of the window; OFF_NO_WP is silent. Header: include/uapi/linux/tcp.h */
export const TCP_REPAIR = { ON: 1, OFF: 0, OFF_NO_WP: -1 } as const
/** Values of TCP_REPAIR_QUEUE. Header: include/uapi/linux/tcp.h */
export const TCP_QUEUE = { NONE: 0, RECV: 1, SEND: 2 } as const
/** Bits of tcpi_options. Header: include/uapi/linux/tcp.h */
export const TCPI_OPT = { TIMESTAMPS: 1, SACK: 2, WSCALE: 4 } as const
/**
 * Options that were agreed in the handshake, as TCP_REPAIR_OPTIONS names them: pairs of code and value, 32 bits each. Header:
 * include/net/tcp.h
 */
export const TCPOPT = { MSS: 2, WINDOW: 3, SACK_PERM: 4, TIMESTAMP: 8 } as const
/** States of a connection; UDP has ESTABLISHED and CLOSE. Header: include/net/tcp_states.h */
export const TCP_STATE = {
  ESTABLISHED: 1,
  SYN_SENT: 2,
  SYN_RECV: 3,
  FIN_WAIT1: 4,
  FIN_WAIT2: 5,
  TIME_WAIT: 6,
  CLOSE: 7,
  CLOSE_WAIT: 8,
  LAST_ACK: 9,
  LISTEN: 10,
  CLOSING: 11,
} as const

/**
 * Offsets in the answer to TCP_INFO, a structure that grows, and the bytes of it that are asked for. Of a listening socket, `unacked` are
 * connections not accepted yet and `sacked` is the backlog; `wscales` has the peer's scale in the lower four bits, ours above.
 * Header: include/uapi/linux/tcp.h struct tcp_info
 */
export const TCP_INFO_AT = { state: 0, options: 5, wscales: 6, unacked: 24, sacked: 28 } as const
export const TCP_INFO_SIZE = 32
export const tcpRepairWindow = layout("struct tcp_repair_window", "include/uapi/linux/tcp.h", 20, {
  snd_wl1: [0, "u32"],
  snd_wnd: [4, "u32"],
  max_window: [8, "u32"],
  rcv_wnd: [12, "u32"],
  rcv_wup: [16, "u32"],
})

/** Requests of ioctl(2): bytes not acknowledged, bytes not sent, name and number of a device. Header: include/uapi/linux/sockios.h */
export const SIOC = { OUTQ: 0x5411, OUTQNSD: 0x894b, GIFNAME: 0x8910, GIFINDEX: 0x8933 } as const

/** Port and address are in network order. */
export const sockaddrIn = layout("struct sockaddr_in", "include/uapi/linux/in.h", 16, {
  sin_family: [0, "u16"],
  sin_port: [2, "u16"],
  sin_addr: [4, "u32"],
})
/** Its address is 16 bytes at 8. */
export const sockaddrIn6 = layout("struct sockaddr_in6", "include/uapi/linux/in6.h", 28, {
  sin6_family: [0, "u16"],
  sin6_port: [2, "u16"],
  sin6_flowinfo: [4, "u32"],
  sin6_scope_id: [24, "u32"],
})
