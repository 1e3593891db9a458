import { layout } from "../layout.ts"

/** Families of addresses. Header: include/linux/socket.h */
export const AF = { UNSPEC: 0, UNIX: 1, NETLINK: 16 } as const

/** Types of sockets, and the flag that socket(2) takes with them. Header: include/linux/net.h */
export const SOCK = { STREAM: 1, DGRAM: 2, RAW: 3, SEQPACKET: 5, CLOEXEC: 0o2000000 } as const

export const SOL_SOCKET = 1
/** Options of SOL_SOCKET. Header: include/uapi/asm-generic/socket.h; the two timeouts are those with a struct of two longs. */
export const SO = {
  REUSEADDR: 2,
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
  RCVTIMEO_OLD: 20,
  SNDTIMEO_OLD: 21,
  BINDTODEVICE: 25,
  ATTACH_FILTER: 26,
  SNDBUFFORCE: 32,
  RCVBUFFORCE: 33,
  PASSSEC: 34,
  MARK: 36,
  DOMAIN: 39,
  PEEK_OFF: 42,
  BUF_LOCK: 72, // since Linux 5.14
} as const
/** Reads the filter that ATTACH_FILTER sets: a length in instructions of eight bytes. */
export const SO_GET_FILTER = SO.ATTACH_FILTER

/** Header: include/linux/socket.h */
export const MSG = { OOB: 1, PEEK: 2, CTRUNC: 8, TRUNC: 0x20, DONTWAIT: 0x40, NOSIGNAL: 0x4000, CMSG_CLOEXEC: 0x40000000 } as const
/** Kinds of control messages of SOL_SOCKET. Header: include/linux/socket.h */
export const SCM = { RIGHTS: 1, CREDENTIALS: 2 } as const

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

/** States of sockets; unix sockets borrow those of TCP. Header: include/net/tcp_states.h */
export const SOCKET_STATE = { ESTABLISHED: 1, CLOSE: 7, LISTEN: 10 } as const
/** Bits of what was shut down. Header: include/net/sock.h */
export const SHUTDOWN = { RCV: 1, SEND: 2 } as const

export const NETLINK_SOCK_DIAG = 4
/** Headers: include/uapi/linux/netlink.h, include/uapi/linux/sock_diag.h */
export const NLM_F_REQUEST = 1
export const NLM_F_DUMP = 0x300
export const NLMSG = { ERROR: 2, DONE: 3 } as const
export const SOCK_DIAG_BY_FAMILY = 20
export const nlmsghdr = layout("struct nlmsghdr", "include/uapi/linux/netlink.h", 16, {
  nlmsg_len: [0, "u32"], // bytes, with this header
  nlmsg_type: [4, "u16"],
  nlmsg_flags: [6, "u16"],
  nlmsg_seq: [8, "u32"],
  nlmsg_pid: [12, "u32"],
})
export const nlattr = layout("struct nlattr", "include/uapi/linux/netlink.h", 4, { nla_len: [0, "u16"], nla_type: [2, "u16"] })

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
