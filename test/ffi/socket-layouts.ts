import {
  inetDiagMsg,
  inetDiagReqV2,
  netlinkDiagMsg,
  netlinkDiagReq,
  nlmsghdr,
  sockaddrNl,
  unixDiagMsg,
  unixDiagReq,
} from "../../ffi/abi/netlink.ts"
import {
  packetDiagInfo,
  packetDiagMclist,
  packetDiagMsg,
  packetDiagReq,
  packetDiagRing,
  packetMreq,
  sockaddrLl,
  tpacketReq3,
} from "../../ffi/abi/packet.ts"
import { cmsghdr, linger, msghdr, sockaddrIn, sockaddrIn6, tcpRepairWindow, ucred } from "../../ffi/abi/socket.ts"
import type { Fields, Layout } from "../../ffi/layout.ts"
import type { Headers } from "./compiled.ts"

/** Layouts that the same headers define, each with its C type, and members whose C name differs. */
export interface Group {
  readonly headers: Headers
  readonly rows: readonly (readonly [Layout<Fields>, string, Readonly<Record<string, string>>?])[]
}

/** Layouts of ffi/abi/socket.ts. */
export const sockets: readonly Group[] = [
  {
    headers: ["sys/socket.h"],
    rows: [
      [msghdr, "struct msghdr"],
      [cmsghdr, "struct cmsghdr"],
      [ucred, "struct ucred"],
      [linger, "struct linger"],
    ],
  },
  {
    headers: ["linux/netlink.h", "linux/unix_diag.h", "linux/netlink_diag.h"],
    rows: [
      [nlmsghdr, "struct nlmsghdr"],
      [netlinkDiagMsg, "struct netlink_diag_msg"],
      [netlinkDiagReq, "struct netlink_diag_req"],
      [sockaddrNl, "struct sockaddr_nl"],
      [unixDiagReq, "struct unix_diag_req"],
      [unixDiagMsg, "struct unix_diag_msg"],
    ],
  },
  {
    headers: ["linux/if_packet.h", "linux/packet_diag.h"],
    rows: [
      [sockaddrLl, "struct sockaddr_ll"],
      [packetMreq, "struct packet_mreq"],
      [tpacketReq3, "struct tpacket_req3"],
      [packetDiagReq, "struct packet_diag_req"],
      [packetDiagMsg, "struct packet_diag_msg"],
      [packetDiagInfo, "struct packet_diag_info"],
      [packetDiagMclist, "struct packet_diag_mclist"],
      [packetDiagRing, "struct packet_diag_ring"],
    ],
  },
  {
    headers: ["linux/netlink.h", "linux/inet_diag.h", "linux/in.h", "linux/in6.h", "linux/tcp.h"],
    rows: [
      [inetDiagReqV2, "struct inet_diag_req_v2"],
      [inetDiagMsg, "struct inet_diag_msg"],
      [sockaddrIn, "struct sockaddr_in"],
      [sockaddrIn6, "struct sockaddr_in6"],
      [tcpRepairWindow, "struct tcp_repair_window"],
    ],
  },
]
