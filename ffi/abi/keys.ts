/** Operations of keyctl(2). Header: include/uapi/linux/keyctl.h */
export const KEYCTL = { GET_KEYRING_ID: 0, JOIN_SESSION_KEYRING: 1 } as const
/** Keyrings of a task by what they are. */
export const KEY_SPEC = { THREAD_KEYRING: -1, PROCESS_KEYRING: -2, SESSION_KEYRING: -3, USER_SESSION_KEYRING: -5 } as const
