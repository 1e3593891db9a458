import { INET_DIAG_LOCAL, INET_DIAG_SKV6ONLY, inetDiagMsg, NETLINK } from "../../../../../ffi/abi/netlink.ts"
import {
  NFPROTO,
  NFT_CMP,
  NFT_META,
  NFT_PAYLOAD,
  NFT_REG,
  NFT_TABLE_F_OWNER,
  NFTA_BITWISE,
  NFTA_DATA,
} from "../../../../../ffi/abi/nftables.ts"
import { AF, IPPROTO, TCP_STATE } from "../../../../../ffi/abi/socket.ts"
import { pause } from "../../../../../ffi/interrupt.ts"
import { SyscallError } from "../../../../../ffi/syscall.ts"
import { logger } from "../../../../base/log.ts"
import { checkInterrupt, fixedDeadline } from "../../../../tracee/wait.ts"
import { askTable, inetAnswer } from "../diag.ts"
import { attribute, bigEndian, type Netlink, nested, openNetlink, parseAttributes, type Reply } from "../netlink.ts"
import { batch, CHAINS, chainSteps, compare, drop, expression, load, loadHeader, NETFILTER, newTable } from "./table.ts"

const log = logger("listeners")

/** A listening socket of TCP. */
export interface Listener {
  readonly inode: bigint
  readonly port: number
  /** Address that a packet must have, in network order; undefined = any. */
  readonly address: Uint8Array | undefined
  /** Family of the packets; undefined = IPv4 and IPv6. */
  readonly family: "IPV4" | "IPV6" | undefined
  /** Connections that the program has not accepted yet. */
  readonly waiting: number
}

/** One look at the tables of TCP. */
interface ListenerTable {
  readonly listeners: readonly Listener[]
  /** Local ports of connections of which the last of the first three packets is missing: nobody has them open. */
  readonly arriving: ReadonlySet<number>
}

/** What two answers of the kernel say. @param inodes of the sockets that are looked for */
export function readListeners(
  answers: readonly { readonly family: number; readonly replies: readonly Reply[] }[],
  inodes: ReadonlySet<bigint>,
): ListenerTable {
  const listeners: Listener[] = []
  const arriving = new Set<number>()
  for (const { family, replies } of answers)
    for (const reply of replies) {
      const { body } = reply
      const [inode, { state, received }] = inetAnswer(reply)
      const port = ((body[INET_DIAG_LOCAL.port] ?? 0) << 8) | (body[INET_DIAG_LOCAL.port + 1] ?? 0)
      if (state === TCP_STATE.SYN_RECV) arriving.add(port)
      if (state !== TCP_STATE.LISTEN || !inodes.has(inode)) continue
      const bytes = body.slice(INET_DIAG_LOCAL.address, INET_DIAG_LOCAL.address + (family === AF.INET6 ? 16 : 4))
      const address = bytes.some((byte) => byte !== 0) ? bytes : undefined
      const only6 = parseAttributes(body.subarray(inetDiagMsg.size)).get(INET_DIAG_SKV6ONLY)?.[0] === 1
      const both = family === AF.INET6 && !address && !only6
      listeners.push({ inode, port, address, family: both ? undefined : family === AF.INET6 ? "IPV6" : "IPV4", waiting: received })
    }
  return { listeners, arriving }
}

/** Looks for the listening sockets among those with these inodes. */
function look(inodes: ReadonlySet<bigint>): ListenerTable {
  using netlink = openNetlink(NETLINK.SOCK_DIAG)
  const answers = [AF.INET, AF.INET6].map((family) => ({ family, replies: askTable(netlink, { family, protocol: IPPROTO.TCP }) }))
  return readListeners(answers, inodes)
}

/** Flags of the first packet of a connection, among those that tell it from others. Header: include/net/tcp.h TCPHDR_ */
const FLAGS = { SYN: 2, RST: 4, ACK: 16 } as const
/** Where a header has its flags, and an address that it goes to, bytes. */
const FLAGS_AT = 13
const TARGET_AT = { IPV4: 16, IPV6: 24 } as const

const bytesOf = (type: number, value: Uint8Array): Uint8Array => nested(type, attribute(NFTA_DATA.VALUE, value))

/** Drops the first packet of each connection to a listener: whoever sent it sends it again a second later. */
export function synFilter({ port, address, family }: Listener): Uint8Array[] {
  const register = NFT_REG.REG32_00
  const mask = expression(
    "bitwise",
    attribute(NFTA_BITWISE.SREG, bigEndian(register)),
    attribute(NFTA_BITWISE.DREG, bigEndian(register)),
    attribute(NFTA_BITWISE.LEN, bigEndian(1)),
    bytesOf(NFTA_BITWISE.MASK, Uint8Array.of(FLAGS.SYN | FLAGS.RST | FLAGS.ACK)),
    bytesOf(NFTA_BITWISE.XOR, Uint8Array.of(0)),
  )
  const equals = (value: Uint8Array): Uint8Array => compare(NFT_CMP.EQ, value)
  return [
    ...(family ? [load(NFT_META.NFPROTO), equals(Uint8Array.of(NFPROTO[family]))] : []),
    load(NFT_META.L4PROTO),
    equals(Uint8Array.of(IPPROTO.TCP)),
    ...(family && address ? [loadHeader(register, NFT_PAYLOAD.NETWORK_HEADER, TARGET_AT[family], address.length), equals(address)] : []),
    loadHeader(register, NFT_PAYLOAD.TRANSPORT_HEADER, 2, 2),
    equals(bigEndian(port, 2).subarray(0, 2)),
    loadHeader(register, NFT_PAYLOAD.TRANSPORT_HEADER, FLAGS_AT, 1),
    mask,
    equals(Uint8Array.of(FLAGS.SYN)),
    drop(),
  ]
}

/** Seconds that a program may take to accept those who came before the listeners were held. */
const PATIENCE = 2

/** Listeners that no new connection reaches: a filter drops its SYN. Disposal lets them go. */
export interface HeldListeners extends Disposable {
  /** Where somebody still waits: the program does not accept. */
  readonly crowded: readonly Listener[]
}

/**
 * Lets no new connection in to the listening sockets with these inodes, and waits until their program has accepted those that came before,
 * for a connection that nobody has accepted has no descriptor and cannot be kept. The program runs meanwhile and is not touched; whoever
 * knocks hears nothing, as if the packet were lost, and knocks again. The kernel lets the listeners go when the tool dies.
 *
 * Without nf_tables, or the right to use it, nothing happens: what waits in the freeze is refused there.
 */
export function holdListeners(inodes: ReadonlySet<bigint>): HeldListeners | undefined {
  let netlink: Netlink | undefined
  const letGo = (): void => netlink?.[Symbol.dispose]()
  try {
    const { listeners } = look(inodes)
    const [input] = CHAINS
    if (listeners.length === 0) return undefined
    netlink = openNetlink(NETFILTER)
    const table = `stasis-listeners-${process.pid}`
    const { packet, last } = batch([newTable(table, NFT_TABLE_F_OWNER), ...chainSteps(table, input, listeners.map(synFilter))])
    netlink.ask(packet, last)
    const deadline = fixedDeadline(PATIENCE)
    const ports = new Set(listeners.map(({ port }) => port))
    for (;;) {
      const now = look(inodes)
      const crowded = now.listeners.filter(({ waiting }) => waiting > 0)
      const late = performance.now() > deadline.at
      if (late || (crowded.length === 0 && ports.isDisjointFrom(now.arriving))) return { crowded, [Symbol.dispose]: letGo }
      checkInterrupt("the dump")
      pause(1)
    }
  } catch (error) {
    letGo()
    if (!(error instanceof SyscallError)) throw error
    log.debug(`new connections are not held off: ${error.message}`)
    return undefined
  }
}
