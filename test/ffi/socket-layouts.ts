import { bpfBatch, bpfElement, bpfGetId, bpfGetInfo, bpfMapCreate, bpfMapInfo, bpfProgInfo } from "../../ffi/abi/bpf.ts"
import { groupFilter, groupReq } from "../../ffi/abi/ip.ts"
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
  readonly rows: readonly (readonly [
    Layout<Fields>,
    type: string,
    renamed?: Readonly<Record<string, string>>,
    /** Its size, where only the first part of the type is described: an expression. */
    size?: string,
  ])[]
}

const ATTR = "union bpf_attr"
/** Members as those of a structure within. */
const named = (within: string, { fields }: Layout<Fields>): Record<string, string> =>
  Object.fromEntries(Object.keys(fields).map((name) => [name, `${within}.${name}`]))

/** Layouts of ffi/abi/socket.ts, packet.ts and bpf.ts. */
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
    headers: ["linux/bpf.h"],
    rows: [
      [bpfMapCreate, ATTR, { map_name: "map_name[0]" }, `offsetof(${ATTR}, map_extra) + 8`],
      [bpfElement, ATTR, {}, `offsetof(${ATTR}, flags) + 8`],
      [bpfBatch, ATTR, named("batch", bpfBatch), `offsetof(${ATTR}, batch.flags) + 8`],
      [bpfGetId, ATTR, { id: "map_id" }, `offsetof(${ATTR}, open_flags) + 4`],
      [bpfGetInfo, ATTR, named("info", bpfGetInfo), `sizeof(((${ATTR} *)0)->info)`],
      [bpfMapInfo, "struct bpf_map_info", { name: "name[0]" }, "offsetof(struct bpf_map_info, btf_id) + 4"],
      [bpfProgInfo, "struct bpf_prog_info", { name: "name[0]" }, "offsetof(struct bpf_prog_info, name) + BPF_OBJ_NAME_LEN"],
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
      [groupReq, "struct group_req"],
      [groupFilter, "struct group_filter"],
      [inetDiagReqV2, "struct inet_diag_req_v2"],
      [inetDiagMsg, "struct inet_diag_msg"],
      [sockaddrIn, "struct sockaddr_in"],
      [sockaddrIn6, "struct sockaddr_in6"],
      [tcpRepairWindow, "struct tcp_repair_window"],
    ],
  },
]
