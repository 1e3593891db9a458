import { expect, test } from "bun:test"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { BPF, BPF_F, BPF_MAP_TYPE, BPF_MAP_TYPES, BPF_NAME } from "../../../ffi/abi/bpf.ts"
import { ICMP_FILTER, ICMPV6_FILTER, IP, IPV6, MCAST, MCAST_MODE } from "../../../ffi/abi/ip.ts"
import {
  INET_DIAG_INFO,
  INET_DIAG_MD5SIG,
  INET_DIAG_SHUTDOWN,
  INET_DIAG_ULP_INFO,
  INET_ULP_INFO_NAME,
  NETLINK,
  NLA_F_NESTED,
  NLM_F,
  NLMSG,
  SOCK_DIAG_BY_FAMILY,
} from "../../../ffi/abi/netlink.ts"
import { PACKET, PACKET_DIAG, PACKET_FANOUT, PACKET_SHOW, PDI, SOL_PACKET } from "../../../ffi/abi/packet.ts"
import {
  AF,
  IPPROTO,
  MSG,
  OTHER_AF,
  SHUT,
  SIOC,
  SO,
  SOCK,
  SOL_SOCKET,
  TCP,
  TCP_INFO_AT,
  TCP_QUEUE,
  TCP_REPAIR,
  TCP_STATE,
  TCPI_OPT,
} from "../../../ffi/abi/socket.ts"
import { compiler } from "../../harness/compile.ts"
import { scratch } from "../../harness/folders.ts"

const named = (prefix: string, values: Readonly<Record<string, number>>, renamed: Readonly<Record<string, string>> = {}) =>
  Object.entries(values).map(([name, value]) => [renamed[name] ?? `${prefix}${name}`, value] as const)

/** Macros: left out where the headers are older. */
const MACROS = [
  ...named("AF_", OTHER_AF),
  ...named("SO_", SO),
  ...named("IP_", IP),
  ...named("IPV6_", IPV6, {
    PKTINFO_2292: "IPV6_2292PKTINFO",
    HOPOPTS_2292: "IPV6_2292HOPOPTS",
    DSTOPTS_2292: "IPV6_2292DSTOPTS",
    RTHDR_2292: "IPV6_2292RTHDR",
    HOPLIMIT_2292: "IPV6_2292HOPLIMIT",
  }),
  ...named("MCAST_", MCAST),
  ...named("MCAST_", MCAST_MODE),
  ...named("TCP_", TCP),
  ...named("PACKET_", PACKET),
]
const CONSTANTS = [
  ...named("AF_", AF),
  ...named("SOCK_", SOCK),
  ...named("IPPROTO_", IPPROTO),
  ...named("MSG_", MSG),
  ...named("SHUT_", SHUT),
  ...named("TCP_REPAIR_", TCP_REPAIR),
  ...named("", TCP_QUEUE, { NONE: "TCP_NO_QUEUE", RECV: "TCP_RECV_QUEUE", SEND: "TCP_SEND_QUEUE" }),
  ...named("BPF_TCP_", TCP_STATE),
  ...named("TCPI_OPT_", TCPI_OPT),
  ...named("SIOC", SIOC),
  ...named("NETLINK_", NETLINK),
  ...named("NLM_F_", NLM_F),
  ...named("NLMSG_", NLMSG),
  ...named("PACKET_DIAG_", PACKET_DIAG),
  ...named("PACKET_SHOW_", PACKET_SHOW),
  ...named("PACKET_FANOUT_", PACKET_FANOUT),
  ...named("PDI_", PDI),
  ...named("BPF_", BPF),
  ...named("BPF_MAP_TYPE_", BPF_MAP_TYPE),
  ...named("BPF_F_", BPF_F),
  ...BPF_MAP_TYPES.slice(0, 28).map((name, number) => [`BPF_MAP_TYPE_${name}`, number] as const),
  ["BPF_OBJ_NAME_LEN", BPF_NAME],
  ["SOL_PACKET", SOL_PACKET],
  ["SOL_SOCKET", SOL_SOCKET],
  ["ICMP_FILTER", ICMP_FILTER],
  ["ICMPV6_FILTER", ICMPV6_FILTER],
  ["NLA_F_NESTED", NLA_F_NESTED],
  ["SOCK_DIAG_BY_FAMILY", SOCK_DIAG_BY_FAMILY],
  ["INET_DIAG_SHUTDOWN", INET_DIAG_SHUTDOWN],
  ["INET_DIAG_INFO", INET_DIAG_INFO],
  ["INET_DIAG_MD5SIG", INET_DIAG_MD5SIG],
  ["INET_DIAG_ULP_INFO", INET_DIAG_ULP_INFO],
  ["INET_ULP_INFO_NAME", INET_ULP_INFO_NAME],
] as const
const HEADERS = [
  "in",
  "in6",
  "tcp",
  "icmp",
  "icmpv6",
  "netlink",
  "sock_diag",
  "inet_diag",
  "sockios",
  "bpf",
  "if_packet",
  "packet_diag",
].map((name) => `linux/${name}.h`)

const offsets = Object.entries(TCP_INFO_AT)
  .filter(([field]) => field !== "wscales")
  .map(([field, at]) => [`offsetof(struct tcp_info, tcpi_${field})`, at] as const)

test.skipIf(compiler() === undefined)("ffi/abi/socket and netlink agree with a C compiler", () => {
  const folder = scratch("socket-abi")
  const [source, program] = [join(folder, "abi.c"), join(folder, "abi")]
  const print = (expression: string): string => `printf("%s %lld\\n", "${expression.replaceAll(" ", "_")}", (long long)(${expression}));`
  const lines = [
    ...MACROS.flatMap(([name]) => [`#ifdef ${name}`, print(name), "#endif"]),
    ...[...CONSTANTS, ...offsets].map(([name]) => print(name)),
  ]
  const includes = ["stddef.h", "stdio.h", "sys/socket.h", "sys/ioctl.h", ...HEADERS].map((name) => `#include <${name}>`)
  writeFileSync(source, [...includes, "int main(void) {", ...lines, "}"].join("\n"))
  const { exitCode, stderr } = Bun.spawnSync([compiler() ?? "cc", "-w", "-o", program, source])
  expect(stderr.toString()).toBe("")
  expect(exitCode).toBe(0)
  const told = new Map(
    Bun.spawnSync([program])
      .stdout.toString()
      .trim()
      .split("\n")
      .map((line) => [line.split(" ")[0] ?? "", Number(line.split(" ")[1])] as const),
  )
  expect(told.size).toBeGreaterThan(150)
  const ours = new Map([...MACROS, ...CONSTANTS, ...offsets].map(([name, value]) => [name.replaceAll(" ", "_"), value] as const))
  for (const [name, value] of told) expect([name, ours.get(name)]).toEqual([name, value])
})
