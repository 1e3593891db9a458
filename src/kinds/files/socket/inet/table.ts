import { NETLINK, NLM_F } from "../../../../../ffi/abi/netlink.ts"
import {
  NF_DROP,
  NF_INET,
  NFNL,
  NFPROTO,
  NFT_CMP,
  NFT_META,
  NFT_MSG,
  NFT_PAYLOAD,
  NFT_REG,
  NFT_TABLE_F_OWNER,
  NFTA_CHAIN,
  NFTA_CMP,
  NFTA_DATA,
  NFTA_EXPR,
  NFTA_HOOK,
  NFTA_IMMEDIATE,
  NFTA_LIST_ELEM,
  NFTA_LOOKUP,
  NFTA_META,
  NFTA_PAYLOAD,
  NFTA_RULE,
  NFTA_SET,
  NFTA_SET_ELEM_KEY,
  NFTA_SET_ELEM_LIST,
  NFTA_TABLE,
  NFTA_VERDICT_CODE,
} from "../../../../../ffi/abi/nftables.ts"
import { IPPROTO } from "../../../../../ffi/abi/socket.ts"
import { attribute, bigEndian, joined, message, type Netlink, nested } from "../netlink.ts"

/** Packets of ours that pass the table: CRIU's number, so that each tool's packets pass the other's rules. */
export const PASSING_MARK = 0xc114

/** Both ends of a connection as packets name them, in network order; addresses of 4 or 16 bytes. */
export interface Ends {
  readonly source: Uint8Array
  readonly sourcePort: number
  readonly target: Uint8Array
  readonly targetPort: number
}

const text = (type: number, value: string): Uint8Array => attribute(type, Buffer.from(`${value}\0`))
const number = (type: number, value: number): Uint8Array => attribute(type, bigEndian(value))

/** What a chain looks connections up in: addresses and ports one behind the other. */
const SETS = [
  { name: "conns4", id: 1, protocol: NFPROTO.IPV4, address: 4, at: [12, 16] },
  { name: "conns6", id: 2, protocol: NFPROTO.IPV6, address: 16, at: [8, 24] },
] as const
/** Chains of a table of ours, by where packets meet them. */
export const CHAINS = [
  { name: "input", hook: NF_INET.LOCAL_IN },
  { name: "output", hook: NF_INET.LOCAL_OUT },
] as const
/** Bytes of a port in a key: each part takes whole registers. */
const PORT = 4
/** Elements of one message: an attribute is at most 64 KiB long. */
const MOST_ELEMENTS = 500
/** Before those of the administrator. */
const PRIORITY = -400

const keyOf = ({ source, sourcePort, target, targetPort }: Ends): Uint8Array =>
  joined(source, bigEndian(sourcePort, 2), target, bigEndian(targetPort, 2))

/** One expression of a rule, an element of NFTA_RULE_EXPRESSIONS. Header: include/uapi/linux/netfilter/nf_tables.h */
export const expression = (name: string, ...data: readonly Uint8Array[]): Uint8Array =>
  nested(NFTA_LIST_ELEM, text(NFTA_EXPR.NAME, name), nested(NFTA_EXPR.DATA, ...data))

/** Puts a fact about the packet into the first register. @param key NFT_META_ */
export const load = (key: number): Uint8Array => expression("meta", number(NFTA_META.DREG, NFT_REG.REG32_00), number(NFTA_META.KEY, key))

/** Ends the rule unless the first register, and those behind it, compare so with `value`. @param op NFT_CMP_ */
export const compare = (op: number, value: Uint8Array): Uint8Array =>
  expression(
    "cmp",
    number(NFTA_CMP.SREG, NFT_REG.REG32_00),
    number(NFTA_CMP.OP, op),
    nested(NFTA_CMP.DATA, attribute(NFTA_DATA.VALUE, value)),
  )

/** Puts bytes of a header into a register. @param base NFT_PAYLOAD_   @param offset, length bytes of that header */
export const loadHeader = (register: number, base: number, offset: number, length: number): Uint8Array =>
  expression(
    "payload",
    number(NFTA_PAYLOAD.DREG, register),
    number(NFTA_PAYLOAD.BASE, base),
    number(NFTA_PAYLOAD.OFFSET, offset),
    number(NFTA_PAYLOAD.LEN, length),
  )

/** What ends a rule: the packet was never there. */
export const drop = (): Uint8Array =>
  expression(
    "immediate",
    number(NFTA_IMMEDIATE.DREG, NFT_REG.VERDICT),
    nested(NFTA_IMMEDIATE.DATA, nested(NFTA_DATA.VERDICT, number(NFTA_VERDICT_CODE, NF_DROP))),
  )

/** Drops packets of TCP whose ends are in a set, but for those that bear our mark, a number of the machine's order. */
function dropping({ name, protocol, address, at }: (typeof SETS)[number]): Uint8Array[] {
  const first = NFT_REG.REG32_00
  const words = address / 4
  return [
    load(NFT_META.MARK),
    compare(NFT_CMP.NEQ, new Uint8Array(Uint32Array.of(PASSING_MARK).buffer)),
    load(NFT_META.NFPROTO),
    compare(NFT_CMP.EQ, Uint8Array.of(protocol)),
    load(NFT_META.L4PROTO),
    compare(NFT_CMP.EQ, Uint8Array.of(IPPROTO.TCP)),
    loadHeader(first, NFT_PAYLOAD.NETWORK_HEADER, at[0], address),
    loadHeader(first + words, NFT_PAYLOAD.TRANSPORT_HEADER, 0, 2),
    loadHeader(first + words + 1, NFT_PAYLOAD.NETWORK_HEADER, at[1], address),
    loadHeader(first + 2 * words + 1, NFT_PAYLOAD.TRANSPORT_HEADER, 2, 2),
    expression("lookup", text(NFTA_LOOKUP.SET, name), number(NFTA_LOOKUP.SREG, first)),
    drop(),
  ]
}

/** Kind and body of one message. */
type Step = readonly [type: number, body: Uint8Array]

/** Steps that make a table which holds connections off, both ways of each. */
function tableSteps(table: string, flags: number, connections: readonly Ends[]): Step[] {
  const both = connections.flatMap((one) => [
    one,
    { source: one.target, sourcePort: one.targetPort, target: one.source, targetPort: one.sourcePort },
  ])
  const steps: Step[] = [newTable(table, flags)]
  const keys = SETS.map(({ address }) => [
    ...new Map(both.filter(({ source }) => source.length === address).map((one) => [keyOf(one).join(), keyOf(one)])).values(),
  ])
  for (const [index, { name, id, address }] of SETS.entries()) {
    const head = [text(NFTA_SET.TABLE, table), text(NFTA_SET.NAME, name), number(NFTA_SET.FLAGS, 0), number(NFTA_SET.KEY_TYPE, 0)]
    steps.push([NFT_MSG.NEWSET, joined(...head, number(NFTA_SET.KEY_LEN, 2 * (address + PORT)), number(NFTA_SET.ID, id))])
    const own = keys[index] ?? []
    for (let at = 0; at < own.length; at += MOST_ELEMENTS) {
      const elements = own
        .slice(at, at + MOST_ELEMENTS)
        .map((key) => nested(NFTA_LIST_ELEM, nested(NFTA_SET_ELEM_KEY, attribute(NFTA_DATA.VALUE, key))))
      const where = [text(NFTA_SET_ELEM_LIST.TABLE, table), text(NFTA_SET_ELEM_LIST.SET, name)]
      steps.push([NFT_MSG.NEWSETELEM, joined(...where, nested(NFTA_SET_ELEM_LIST.ELEMENTS, ...elements))])
    }
  }
  for (const chain of CHAINS) steps.push(...chainSteps(table, chain, SETS.map(dropping)))
  return steps
}

/** Steps that make a table. */
export const newTable = (table: string, flags: number): Step => [
  NFT_MSG.NEWTABLE,
  joined(text(NFTA_TABLE.NAME, table), number(NFTA_TABLE.FLAGS, flags)),
]

/** Steps that make a chain of a table with its rules. */
export function chainSteps(table: string, { name, hook }: (typeof CHAINS)[number], rules: readonly Uint8Array[][]): Step[] {
  const hooked = nested(NFTA_CHAIN.HOOK, number(NFTA_HOOK.HOOKNUM, hook), number(NFTA_HOOK.PRIORITY, PRIORITY))
  return [
    [NFT_MSG.NEWCHAIN, joined(text(NFTA_CHAIN.TABLE, table), text(NFTA_CHAIN.NAME, name), hooked, text(NFTA_CHAIN.TYPE, "filter"))],
    ...rules.map(
      (rule): Step => [
        NFT_MSG.NEWRULE,
        joined(text(NFTA_RULE.TABLE, table), text(NFTA_RULE.CHAIN, name), nested(NFTA_RULE.EXPRESSIONS, ...rule)),
      ],
    ),
  ]
}

/** A packet whose messages are done all or none; the last of them is acknowledged. */
export function batch(steps: readonly Step[]): { readonly packet: Uint8Array; readonly last: number } {
  const general = (family: number, resource: number): Uint8Array => Uint8Array.of(family, 0, resource >> 8, resource & 0xff)
  const parts = steps.map(([type, body], index) => {
    const flags = NLM_F.REQUEST | (type === NFT_MSG.DELTABLE ? 0 : NLM_F.CREATE) | (index === steps.length - 1 ? NLM_F.ACK : 0)
    return message((NFNL.SUBSYS_NFTABLES << 8) | type, flags, index + 1, joined(general(NFPROTO.INET, 0), body))
  })
  const bound = (type: number): Uint8Array => message(type, NLM_F.REQUEST, 0, general(0, NFNL.SUBSYS_NFTABLES))
  return { packet: joined(bound(NFNL.MSG_BATCH_BEGIN), ...parts, bound(NFNL.MSG_BATCH_END)), last: steps.length }
}

/**
 * Makes a table of nf_tables that drops every packet of some TCP connections.
 *
 * @param netlink socket of NETLINK_NETFILTER
 * @param owned the kernel removes the table when the socket is closed, so that no death of ours leaves it
 * @throws SyscallError EPERM, EOPNOTSUPP or EINVAL the kernel has no nf_tables of the family inet
 */
export function holdOff(netlink: Netlink, table: string, owned: boolean, connections: readonly Ends[]): void {
  const { packet, last } = batch(tableSteps(table, owned ? NFT_TABLE_F_OWNER : 0, connections))
  netlink.ask(packet, last)
}

/** The packet that removes a table. The kernel answers ENOENT when there is none. */
export const removing = (table: string): ReturnType<typeof batch> => batch([[NFT_MSG.DELTABLE, text(NFTA_TABLE.NAME, table)]])

export const NETFILTER = NETLINK.NETFILTER
