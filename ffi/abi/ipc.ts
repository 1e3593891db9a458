import { layout } from "../layout.ts"

/** Flags of shmget(2), and commands of shmctl(2). Header: include/uapi/linux/ipc.h */
export const IPC = { PRIVATE: 0, CREAT: 0o1000, EXCL: 0o2000, RMID: 0, SET: 1 } as const

/**
 * RDONLY of shmat(2), LOCK of shmctl(2), HUGETLB of shmget(2); DEST and LOCKED are bits of a mode. Headers: include/uapi/linux/shm.h,
 * include/linux/shm.h
 */
export const SHM = { RDONLY: 0o10000, LOCK: 11, HUGETLB: 0o4000, DEST: 0o1000, LOCKED: 0o2000 } as const

/** Command of semctl(2): who used a semaphore last. Header: include/uapi/linux/sem.h */
export const SEM = { GETPID: 11 } as const

/** What IPC_SET looks at of a segment. */
export const shmidDs = layout("struct shmid64_ds", "include/uapi/asm-generic/shmbuf.h", 112, {
  uid: [4, "u32"],
  gid: [8, "u32"],
  mode: [20, "u32"],
})
