import { readFileSync } from "../../ffi/fs.ts"
import { errnoOf } from "../base/errno.ts"
import { lines, words } from "./text.ts"

/** One System V shared memory segment of the reader's IPC namespace. See proc_sysvipc(5). */
export interface ShmRow {
  /** 0 = IPC_PRIVATE, or removed by IPC_RMID. */
  readonly key: number
  readonly id: number
  /** Permissions, with SHM_DEST (removed) and SHM_LOCKED. */
  readonly mode: number
  /** Bytes. */
  readonly size: bigint
  /** Who made it, and who used it last: PIDs in the reader's namespace. */
  readonly cpid: number
  readonly lpid: number
  /** Mappings, of all processes; one that is cut in two counts twice. */
  readonly nattch: number
  readonly uid: number
  readonly gid: number
  readonly cuid: number
  readonly cgid: number
  /** Made, or changed by shmctl(2): seconds since 1970. */
  readonly ctime: bigint
}

/** /proc/sysvipc/shm -> its rows. Kernel: ipc/shm.c sysvipc_shm_proc_show() */
export const parseShm = (text: string): ShmRow[] =>
  lines(text)
    .slice(1)
    .map((line) => {
      const fields = words(line)
      const field = (index: number): number => Number(fields[index] ?? 0)
      return {
        key: field(0) >>> 0,
        id: field(1),
        mode: Number.parseInt(fields[2] ?? "0", 8),
        size: BigInt(fields[3] ?? 0),
        cpid: field(4),
        lpid: field(5),
        nattch: field(6),
        uid: field(7),
        gid: field(8),
        cuid: field(9),
        cgid: field(10),
        ctime: BigInt(fields[13] ?? 0),
      }
    })

/** One set of System V semaphores. */
export interface SemRow {
  readonly id: number
  /** Semaphores in it. */
  readonly count: number
}

/** /proc/sysvipc/sem -> its rows. Kernel: ipc/sem.c sysvipc_sem_proc_show() */
export const parseSem = (text: string): SemRow[] =>
  lines(text)
    .slice(1)
    .map((line) => {
      const [, id, , count] = words(line)
      return { id: Number(id), count: Number(count) }
    })

/** A table of the reader's IPC namespace; an empty one on a kernel without CONFIG_SYSVIPC. */
function read<T>(name: string, parse: (text: string) => T[]): T[] {
  try {
    return parse(readFileSync(`/proc/sysvipc/${name}`, "utf8"))
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return []
    throw error
  }
}

/** The segments of the IPC namespace. */
export const readShm = (): ShmRow[] => read("shm", parseShm)
/** The semaphores of the IPC namespace. */
export const readSem = (): SemRow[] => read("sem", parseSem)
