/** Operations of keyctl(2). Header: include/uapi/linux/keyctl.h */
export const KEYCTL = { GET_KEYRING_ID: 0, JOIN_SESSION_KEYRING: 1, SET_REQKEY_KEYRING: 14 } as const
/** SET_REQKEY_KEYRING of this only answers what it was. */
export const KEY_REQKEY_DEFL_NO_CHANGE = -1
/** Keyrings of a task by what they are. */
export const KEY_SPEC = { THREAD_KEYRING: -1, PROCESS_KEYRING: -2, SESSION_KEYRING: -3, USER_SESSION_KEYRING: -5 } as const
