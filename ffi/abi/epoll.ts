import { layout } from "../layout.ts"

export const EPOLL_CTL_ADD = 1

/**
 * Argument of epoll_ctl(2): packed on x86-64 alone, so that 32-bit programs could use it as well. Header: include/uapi/linux/eventpoll.h
 */
export const epollEvent = layout("struct epoll_event", "include/uapi/linux/eventpoll.h", process.arch === "x64" ? 12 : 16, {
  events: [0, "u32"],
  data: [process.arch === "x64" ? 4 : 8, "u64"],
})

/** How an epoll looks for packets itself (busy polling), since Linux 6.9. Header: include/uapi/linux/eventpoll.h */
export const [EPIOCSPARAMS, EPIOCGPARAMS] = [0x40088a01, 0x80088a02]
export const epollParams = layout("struct epoll_params", "include/uapi/linux/eventpoll.h", 8, {
  busy_poll_usecs: [0, "u32"],
  busy_poll_budget: [4, "u16"],
  prefer_busy_poll: [6, "u8"],
})

/** Which watched file kcmp(2) is asked about; toff counts files that one epoll watches under the same number. */
export const kcmpEpollSlot = layout("struct kcmp_epoll_slot", "include/uapi/linux/kcmp.h", 12, {
  efd: [0, "u32"],
  tfd: [4, "u32"],
  toff: [8, "u32"],
})
