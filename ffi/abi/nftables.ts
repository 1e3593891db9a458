/** Messages of one packet are done all or none. Headers: include/uapi/linux/netfilter/nfnetlink.h, nf_tables.h */
export const NFNL = { SUBSYS_NFTABLES: 10, MSG_BATCH_BEGIN: 16, MSG_BATCH_END: 17 } as const
/** Families of tables, and hooks of the family inet. Header: include/uapi/linux/netfilter.h */
export const NFPROTO = { INET: 1, IPV4: 2, IPV6: 10 } as const
export const NF_INET = { LOCAL_IN: 1, LOCAL_OUT: 3 } as const
export const NF_DROP = 0

/** Header: include/uapi/linux/netfilter/nf_tables.h, as all that follows. */
export const NFT_MSG = { NEWTABLE: 0, DELTABLE: 2, NEWCHAIN: 3, NEWRULE: 6, NEWSET: 9, NEWSETELEM: 12 } as const
/** OWNER: the table is gone with the netlink socket that made it. Since Linux 5.12. */
export const NFT_TABLE_F_OWNER = 2
export const NFTA_TABLE = { NAME: 1, FLAGS: 2 } as const
export const NFTA_CHAIN = { TABLE: 1, NAME: 3, HOOK: 4, TYPE: 7 } as const
export const NFTA_HOOK = { HOOKNUM: 1, PRIORITY: 2 } as const
export const NFTA_SET = { TABLE: 1, NAME: 2, FLAGS: 3, KEY_TYPE: 4, KEY_LEN: 5, ID: 10 } as const
export const NFTA_SET_ELEM_LIST = { TABLE: 1, SET: 2, ELEMENTS: 3 } as const
export const NFTA_SET_ELEM_KEY = 1
export const NFTA_RULE = { TABLE: 1, CHAIN: 2, EXPRESSIONS: 4 } as const
export const NFTA_LIST_ELEM = 1
export const NFTA_EXPR = { NAME: 1, DATA: 2 } as const
export const NFTA_DATA = { VALUE: 1, VERDICT: 2 } as const
export const NFTA_VERDICT_CODE = 1
export const NFTA_META = { DREG: 1, KEY: 2 } as const
export const NFT_META = { MARK: 3, NFPROTO: 15, L4PROTO: 16 } as const
export const NFTA_CMP = { SREG: 1, OP: 2, DATA: 3 } as const
export const NFT_CMP = { EQ: 0, NEQ: 1 } as const
export const NFTA_PAYLOAD = { DREG: 1, BASE: 2, OFFSET: 3, LEN: 4 } as const
export const NFT_PAYLOAD = { NETWORK_HEADER: 1, TRANSPORT_HEADER: 2 } as const
export const NFTA_BITWISE = { SREG: 1, DREG: 2, LEN: 3, MASK: 4, XOR: 5 } as const
export const NFTA_LOOKUP = { SET: 1, SREG: 2 } as const
export const NFTA_IMMEDIATE = { DREG: 1, DATA: 2 } as const
/** The verdict; the first of the registers of four bytes, which follow one another. */
export const NFT_REG = { VERDICT: 0, REG32_00: 8 } as const
