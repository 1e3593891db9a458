/**
 * System calls that came after Linux 6.1, the headers of Debian 12, with the version of each. From 424 on all architectures number alike.
 * Authority: arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h. Installed headers that know one are asked instead.
 */
export const LATER_CALLS: Readonly<Record<string, number>> = {
  cachestat: 451, //        6.5
  fchmodat2: 452, //        6.6
  map_shadow_stack: 453, // 6.6
  futex_wake: 454, //       6.7
  futex_wait: 455, //       6.7
  futex_requeue: 456, //    6.7
  statmount: 457, //        6.8
  listmount: 458, //        6.8
  lsm_get_self_attr: 459, // 6.8
}
