import { NETLINK, NETLINK_OPTION, netlinkDiagMsg, netlinkDiagReq, SOL_NETLINK, sockaddrNl } from "../../../../../ffi/abi/netlink.ts"
import { AF } from "../../../../../ffi/abi/socket.ts"
import { decode, encode } from "../../../../../ffi/layout.ts"
import { SyscallError } from "../../../../../ffi/syscall.ts"
import type { netlink_sk_entry } from "../../../../../proto/gen/sk-netlink_pb.ts"
import type { stasis_socket_option } from "../../../../../proto/gen/stasis_pb.ts"
import type { Collecting, Found, OpenFile, Reason } from "../../collecting.ts"
import { askAddress, askNumber, askOption, type SocketKind } from "../ask.ts"
import { collectBeyond } from "../beyond.ts"
import { askSockets } from "../diag.ts"
import { openNetlink } from "../netlink.ts"
import { collectSocketOptions } from "../options.ts"
import { groupWords, numbersOf } from "./groups.ts"

/** States that images tell; 7 is that of a new socket. Kernel: net/netlink/af_netlink.c, net/core/sock.c */
export const NETLINK_STATE = { CONNECTED: 1, CLOSE: 7 } as const

/** Room for memberships, bytes: 4096 groups. */
const GROUPS_ROOM = 512

/** A socket of netlink, whatever its protocol. */
export const isNetlink = ({ socket }: Pick<Found, "socket">): boolean => socket?.family === AF.NETLINK

/** What is in the queue cannot be put there again by anybody but its sender. CRIU refuses it too. */
export const refuseNetlink = ({ unread, target }: Pick<Found, "unread" | "target">): Reason | undefined =>
  unread
    ? {
        what: `a netlink socket with messages that nobody has read yet ("${target}")`,
        remedy: "Dump again when the program has read them",
      }
    : undefined

/**
 * Whether a socket is connected, be it to the kernel: only the tables tell. Undefined where the kernel lacks them. Man page: sock_diag(7)
 */
function isConnected(ino: bigint, { protocol }: SocketKind): boolean | undefined {
  try {
    using netlink = openNetlink(NETLINK.SOCK_DIAG)
    const request = encode(netlinkDiagReq, { sdiag_family: AF.NETLINK, sdiag_protocol: protocol })
    const answers = askSockets(netlink, request).map(({ body }) => decode(netlinkDiagMsg, body))
    return answers.some(({ ndiag_ino, ndiag_state }) => BigInt(ndiag_ino) === ino && ndiag_state === NETLINK_STATE.CONNECTED)
  } catch (error) {
    if (error instanceof SyscallError && (error.errno === "ENOENT" || error.errno === "EINVAL")) return undefined
    throw error
  }
}

/** What images have no field for: options that are on, and memberships above the 32 that they can tell. */
function collectMore(copy: number, words: readonly number[]): stasis_socket_option[] {
  const value = (number: number): Uint8Array => new Uint8Array(Int32Array.of(number).buffer)
  const { ADD_MEMBERSHIP, LIST_MEMBERSHIPS, ...switches } = NETLINK_OPTION
  return [
    ...Object.values(switches)
      .filter((name) => askNumber(copy, SOL_NETLINK, name))
      .map((name) => ({ level: SOL_NETLINK, name, value: value(1) })),
    ...numbersOf(words)
      .filter((group) => group > 32)
      .map((group) => ({ level: SOL_NETLINK, name: ADD_MEMBERSHIP, value: value(group) })),
  ]
}

/** A netlink socket -> its entry; what has no field goes to the extension. Mirror: ./restore.ts. Man page: netlink(7) */
export function collectNetlink(
  { id, fd, flags, owner, stat, socket }: OpenFile,
  { copies, extension }: Pick<Collecting, "copies" | "extension">,
): netlink_sk_entry {
  const found = copies.lend(fd, (copy) => {
    if (!socket) throw new Error(`Unreachable: fd ${fd} is no socket`)
    const own = decode(sockaddrNl, askAddress(copy, "getsockname") ?? new Uint8Array(sockaddrNl.size))
    const peer = decode(sockaddrNl, askAddress(copy, "getpeername") ?? new Uint8Array(sockaddrNl.size))
    const words = groupWords(askOption(copy, SOL_NETLINK, NETLINK_OPTION.LIST_MEMBERSHIPS, GROUPS_ROOM))
    const [first = 0] = words
    const connected = isConnected(stat.ino, socket) ?? (peer.nl_pid !== 0 || peer.nl_groups !== 0)
    const entry = {
      protocol: socket.protocol,
      state: connected ? NETLINK_STATE.CONNECTED : NETLINK_STATE.CLOSE,
      portid: own.nl_pid,
      groups: first === 0 ? [] : [first],
      dst_portid: peer.nl_pid,
      dst_group: numbersOf([peer.nl_groups])[0] ?? 0,
      opts: collectSocketOptions(copy),
    }
    return { entry, options: [...collectMore(copy, words), ...collectBeyond(copy, socket)] }
  })
  if (!found) throw new Error(`Unreachable: fd ${fd} is open`)
  if (found.options.length > 0) extension.push({ id, socket_options: { options: found.options } })
  return { id, ino: Number(stat.ino), flags, fown: owner, ...found.entry }
}
