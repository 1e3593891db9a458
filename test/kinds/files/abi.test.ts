import { expect, test } from "bun:test"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { EPOLL_CTL_ADD, epollEvent, kcmpEpollSlot } from "../../../ffi/abi/epoll.ts"
import {
  AT,
  F,
  F_OWNER,
  F_SEAL_SEAL,
  FD_CLOEXEC,
  FIONREAD,
  fOwnerEx,
  HUGETLBFS_MAGIC,
  KCMP,
  LOCK,
  MFD_ALLOW_SEALING,
  MFD_HUGETLB,
  O,
  PROC_SUPER_MAGIC,
  S_IF,
  SEEK,
  STATX_BASIC_STATS,
  STATX_MNT_ID,
  SYSFS_MAGIC,
  statfsStruct,
  statx,
} from "../../../ffi/abi/file.ts"
import { NETLINK, NLM_F, NLMSG, SOCK_DIAG_BY_FAMILY, UDIAG_SHOW, UNIX_DIAG } from "../../../ffi/abi/netlink.ts"
import { AF, MSG, SCM, SHUTDOWN, SIOCUNIXFILE, SO, SOCK, SOL_SOCKET, TCP_STATE, UNIX_NAME } from "../../../ffi/abi/socket.ts"
import { NCCS, TERMIOS_CC, TTY_CC, TTY_FLAG, TTY_IOCTL, TTY_MAJOR, termios, winsize } from "../../../ffi/abi/tty.ts"
import type { Fields, Layout } from "../../../ffi/layout.ts"
import { compiler } from "../../harness/compile.ts"
import { scratch } from "../../harness/folders.ts"

/** Names that an object holds, with the prefix that the headers give them. */
const named = (prefix: string, values: Readonly<Record<string, number>>, renamed: Readonly<Record<string, string>> = {}) =>
  Object.entries(values).map(([name, value]) => [renamed[name] ?? `${prefix}${name}`, value] as const)

const CONSTANTS: readonly (readonly [string, number])[] = [
  ...named("O_", O, { ASYNC: "FASYNC", TMPFILE: "__O_TMPFILE" }),
  ...named("S_IF", S_IF),
  ...named("F_", F),
  ...named("F_OWNER_", F_OWNER),
  ...named("SEEK_", SEEK),
  ["F_SEAL_SEAL", F_SEAL_SEAL],
  ["MFD_ALLOW_SEALING", MFD_ALLOW_SEALING],
  ["MFD_HUGETLB", MFD_HUGETLB],
  ...named("LOCK_", LOCK),
  ...named("AT_", AT),
  ...named("KCMP_", KCMP),
  ...named("", TTY_IOCTL),
  ...named("", TTY_FLAG),
  ...named("", TTY_CC),
  ...named("", TTY_MAJOR, { TTY: "TTY_MAJOR", AUX: "TTYAUX_MAJOR", PTY_SLAVE: "UNIX98_PTY_SLAVE_MAJOR" }),
  ...named("AF_", AF),
  ...named("SOCK_", SOCK),
  ...named("SO_", SO, { RCVTIMEO: "SO_RCVTIMEO", SNDTIMEO: "SO_SNDTIMEO" }),
  ...named("MSG_", MSG),
  ...named("SCM_", SCM),
  ...named("TCP_", TCP_STATE),
  ...named("NLMSG_", NLMSG),
  ...named("UDIAG_SHOW_", UDIAG_SHOW),
  ...named("UNIX_DIAG_", UNIX_DIAG),
  ["SHUT_RD + 1", SHUTDOWN.RCV],
  ["SHUT_WR + 1", SHUTDOWN.SEND],
  ["FD_CLOEXEC", FD_CLOEXEC],
  ["SOL_SOCKET", SOL_SOCKET],
  ["NETLINK_SOCK_DIAG", NETLINK.SOCK_DIAG],
  ["NLM_F_REQUEST", NLM_F.REQUEST],
  ["NLM_F_DUMP", NLM_F.DUMP],
  ["SOCK_DIAG_BY_FAMILY", SOCK_DIAG_BY_FAMILY],
  ["offsetof(struct sockaddr_un, sun_path)", UNIX_NAME],
  ["SIOCUNIXFILE", SIOCUNIXFILE],
  ["STATX_BASIC_STATS", STATX_BASIC_STATS],
  ["STATX_MNT_ID", STATX_MNT_ID],
  ["FIONREAD", FIONREAD],
  ["HUGETLBFS_MAGIC", HUGETLBFS_MAGIC],
  ["PROC_SUPER_MAGIC", PROC_SUPER_MAGIC],
  ["SYSFS_MAGIC", SYSFS_MAGIC],
  ["EPOLL_CTL_ADD", EPOLL_CTL_ADD],
  ["NCCS", NCCS],
  ["offsetof(struct termios, c_cc)", TERMIOS_CC],
]

const LAYOUTS: readonly Layout<Fields>[] = [epollEvent, kcmpEpollSlot, fOwnerEx, statfsStruct, statx, termios, winsize]

const HEADERS = ["fcntl", "stat", "kcmp", "eventpoll", "major", "magic", "netlink", "sock_diag", "unix_diag", "un", "sockios", "memfd"].map(
  (name) => `linux/${name}`,
)
const INCLUDES = [
  "#define _GNU_SOURCE",
  ...[
    "stddef",
    "stdio",
    "sys/stat",
    "sys/statfs",
    "sys/socket",
    "netinet/tcp",
    ...HEADERS,
    "asm/termbits",
    "asm/ioctls",
    "asm/termios",
  ].map((name) => `#include <${name}.h>`),
  // Newer than the headers of many machines: what is there is asked all the same.
  ...[
    ["SO_PASSPIDFD", SO.PASSPIDFD],
    ["SO_PASSRIGHTS", SO.PASSRIGHTS],
    ["SO_RCVMARK", SO.RCVMARK],
    ["SO_RCVPRIORITY", SO.RCVPRIORITY],
    ["SO_RESERVE_MEM", SO.RESERVE_MEM],
    ["SCM_PIDFD", SCM.PIDFD],
  ].map(([name, value]) => `#ifndef ${name}\n#define ${name} ${value}\n#endif`),
]

const asked = [
  ...CONSTANTS,
  ...LAYOUTS.flatMap(({ name, size, fields }) => [
    [`sizeof(${name})`, size] as const,
    ...Object.entries(fields).map(([field, [offset]]) => [`offsetof(${name}, ${field})`, offset] as const),
  ]),
]

test.skipIf(compiler() === undefined)("ffi/abi/file, epoll, tty and socket agree with a C compiler", () => {
  const folder = scratch("files-abi")
  const source = join(folder, "abi.c")
  const lines = asked.map(([expression]) => `printf("%lld\\n", (long long)(${expression}));`)
  writeFileSync(source, [...INCLUDES, "int main(void) {", ...lines, "}"].join("\n"))
  const program = join(folder, "abi")
  const { exitCode, stderr } = Bun.spawnSync([compiler() ?? "cc", "-w", "-o", program, source])
  expect(stderr.toString()).toBe("")
  expect(exitCode).toBe(0)
  const answers = Bun.spawnSync([program]).stdout.toString().trim().split("\n").map(Number)
  expect(asked.map(([expression], index) => [expression, answers[index]])).toEqual(asked.map(([expression, value]) => [expression, value]))
})
