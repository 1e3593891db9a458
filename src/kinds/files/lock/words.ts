/** Kinds of locks as /proc names them -> bits of file_lock_entry.flag. Authority: REFERENCE 6.6 */
export const LOCK_FLAG: Readonly<Record<string, number>> = { POSIX: 1, FLOCK: 2, OFDLCK: 4, LEASE: 8 }

/** What is locked: F_RDLCK and F_WRLCK. Header: include/uapi/asm-generic/fcntl.h */
export const LOCK_TYPE: Readonly<Record<string, number>> = { READ: 0, WRITE: 1 }
