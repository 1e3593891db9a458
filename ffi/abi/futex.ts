/** Operations of futex(2), and what may be added to them. Header: include/uapi/linux/futex.h */
export const FUTEX = { WAIT: 0, WAIT_BITSET: 9, PRIVATE_FLAG: 0x80, CLOCK_REALTIME: 0x100 } as const
