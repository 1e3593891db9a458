/** Modes of set_mempolicy(2). Header: include/uapi/linux/mempolicy.h */
export const MPOL = { DEFAULT: 0, PREFERRED: 1, BIND: 2, INTERLEAVE: 3, LOCAL: 4, PREFERRED_MANY: 5 } as const
/** Flags that come with a mode. Relative nodes are counted within those that the process may use. */
export const MPOL_F = { RELATIVE_NODES: 1 << 14, STATIC_NODES: 1 << 15 } as const
/** Flag of get_mempolicy(2): the policy of the area at an address, DEFAULT where it has none of its own. */
export const MPOL_F_ADDR = 2
