import { layout } from "../layout.ts"

/** Options of IPv4. Header: include/uapi/linux/in.h */
export const IP = {
  TOS: 1,
  TTL: 2,
  HDRINCL: 3,
  OPTIONS: 4,
  ROUTER_ALERT: 5,
  RECVOPTS: 6,
  RETOPTS: 7,
  PKTINFO: 8,
  MTU_DISCOVER: 10,
  RECVERR: 11,
  RECVTTL: 12,
  RECVTOS: 13,
  FREEBIND: 15,
  PASSSEC: 18,
  TRANSPARENT: 19,
  RECVORIGDSTADDR: 20,
  MINTTL: 21,
  NODEFRAG: 22,
  CHECKSUM: 23,
  BIND_ADDRESS_NO_PORT: 24,
  RECVFRAGSIZE: 25,
  RECVERR_RFC4884: 26,
  MULTICAST_IF: 32,
  MULTICAST_TTL: 33,
  MULTICAST_LOOP: 34,
  MULTICAST_ALL: 49,
  UNICAST_IF: 50,
  LOCAL_PORT_RANGE: 51,
} as const

/** Options of IPv6. Header: include/uapi/linux/in6.h */
export const IPV6 = {
  PKTINFO_2292: 2,
  HOPOPTS_2292: 3,
  DSTOPTS_2292: 4,
  RTHDR_2292: 5,
  CHECKSUM: 7,
  HOPLIMIT_2292: 8,
  FLOWINFO: 11,
  UNICAST_HOPS: 16,
  MULTICAST_IF: 17,
  MULTICAST_HOPS: 18,
  MULTICAST_LOOP: 19,
  ROUTER_ALERT: 22,
  MTU_DISCOVER: 23,
  RECVERR: 25,
  V6ONLY: 26,
  MULTICAST_ALL: 29,
  ROUTER_ALERT_ISOLATE: 30,
  RECVERR_RFC4884: 31,
  FLOWINFO_SEND: 33,
  HDRINCL: 36,
  RECVPKTINFO: 49,
  RECVHOPLIMIT: 51,
  RECVHOPOPTS: 53,
  HOPOPTS: 54,
  RTHDRDSTOPTS: 55,
  RECVRTHDR: 56,
  RTHDR: 57,
  RECVDSTOPTS: 58,
  DSTOPTS: 59,
  RECVPATHMTU: 60,
  DONTFRAG: 62,
  RECVTCLASS: 66,
  TCLASS: 67,
  AUTOFLOWLABEL: 70,
  ADDR_PREFERENCES: 72,
  MINHOPCOUNT: 73,
  RECVORIGDSTADDR: 74,
  TRANSPARENT: 75,
  UNICAST_IF: 76,
  RECVFRAGSIZE: 77,
  FREEBIND: 78,
} as const

/** Options of memberships in multicast groups, of IPv4 and IPv6 alike. Header: include/uapi/linux/in.h */
export const MCAST = { JOIN_GROUP: 42, MSFILTER: 48 } as const
/** Whom a membership hears: all but its sources, or its sources only. Header: include/uapi/linux/in.h */
export const MCAST_MODE = { EXCLUDE: 0, INCLUDE: 1 } as const
/** Bytes of struct sockaddr_storage. Header: include/uapi/linux/socket.h */
export const SOCKADDR_STORAGE = 128
/** A sockaddr_storage, the group, stands at 8. */
export const groupReq = layout("struct group_req", "include/uapi/linux/in.h", 136, { gr_interface: [0, "u32"] })
/** The group stands at 8, the first source, a sockaddr_storage as well, at 144. */
export const groupFilter = layout("struct group_filter", "include/uapi/linux/in.h", 272, {
  gf_interface: [0, "u32"],
  gf_fmode: [136, "u32"],
  gf_numsrc: [140, "u32"],
})

/** Options of raw sockets: which ICMP messages are left out. Headers: include/uapi/linux/icmp.h, icmpv6.h */
export const ICMP_FILTER = 1
export const ICMPV6_FILTER = 1

/** Options of UDP, and of UDP-Lite with its own below. Headers: include/uapi/linux/udp.h, include/net/udplite.h */
export const UDP = { CORK: 1, ENCAP: 100, NO_CHECK6_TX: 101, NO_CHECK6_RX: 102, SEGMENT: 103, GRO: 104 } as const
export const UDPLITE = { SEND_CSCOV: 10, RECV_CSCOV: 11 } as const
/** Flags of SO_TIMESTAMPING that number what is sent. Header: include/uapi/linux/net_tstamp.h */
export const SOF_TIMESTAMPING = { OPT_ID: 1 << 7, OPT_ID_TCP: 1 << 16 } as const
