import { F, flock, LOCK } from "../../../../ffi/abi/file.ts"
import { encode } from "../../../../ffi/layout.ts"
import type { fdinfo_entry } from "../../../../proto/gen/fdinfo_pb.ts"
import type { file_lock_entry } from "../../../../proto/gen/file-lock_pb.ts"
import { CheckpointError, damagedImage } from "../../../base/errors.ts"
import type { Program } from "../../../tracee/program.ts"
import { LOCK_FLAG, LOCK_TYPE } from "./words.ts"

const kindOfLock = (flag: number): string | undefined => Object.keys(LOCK_FLAG).find((kind) => LOCK_FLAG[kind] === flag)
const isKnownType = (type: number): boolean => Object.values(LOCK_TYPE).includes(type)

/**
 * Checks that locks can be set: their kinds are known, and their processes have their descriptors.
 *
 * @param fdinfosOf descriptors of a process; undefined for one that is not in the set
 * @throws CheckpointError E_IMAGE_CORRUPT · E_IMAGE_UNSUPPORTED
 */
export function checkFileLocks(locks: readonly file_lock_entry[], fdinfosOf: (pid: number) => readonly fdinfo_entry[] | undefined): void {
  for (const { flag, type, pid, fd } of locks) {
    const action = `Cannot lock fd ${fd} of process ${pid}`
    if (!fdinfosOf(pid)?.some((info) => info.fd === fd)) throw damagedImage(action, "the images have no such descriptor")
    if (kindOfLock(flag) === undefined || !isKnownType(type))
      throw new CheckpointError(
        "E_IMAGE_UNSUPPORTED",
        action,
        `the lock is of kind ${flag} and type ${type}`,
        "Restore this image with CRIU, or dump the program without it",
      )
  }
}

/**
 * Appends the locks of one process. None waits: who holds a lock that stands against one of these makes the restore fail.
 *
 * Preconditions: every descriptor of the process is open, and none of the same files is closed any more, which would end its fcntl locks.
 */
export function restoreFileLocks(locks: readonly file_lock_entry[], program: Program): void {
  for (const { flag, type, fd, start, len } of locks) {
    const kind = kindOfLock(flag)
    const about = `the lock of fd ${fd} (${kind})`
    if (kind === "FLOCK") program.callWith({ about }, "flock", fd, (type === LOCK_TYPE.READ ? LOCK.SH : LOCK.EX) | LOCK.NB)
    else if (kind === "LEASE") program.callWith({ about }, "fcntl", fd, F.SETLEASE, type)
    else {
      const wanted = program.bytes(encode(flock, { l_type: type, l_whence: 0, l_start: start, l_len: len, l_pid: 0 }))
      program.callWith({ about }, "fcntl", fd, kind === "POSIX" ? F.SETLK : F.OFD_SETLK, wanted)
    }
  }
}
