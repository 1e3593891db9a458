/**
 * Options of wait4(2): do not wait; tell of stops too; of children without a signal at their end (__WALL). Header:
 * include/uapi/linux/wait.h
 */
export const W = { NOHANG: 1, UNTRACED: 2, ALL: 0x40000000 } as const
