/**
 * A descriptor of one thread, as pidfd_open(2) takes it and fdinfo shows it. Since Linux 6.9. Header: include/uapi/linux/pidfd.h (O_EXCL)
 */
export const PIDFD_THREAD = 0o200
