import { AT, O, S_IF, SEEK } from "../../../../ffi/abi/file.ts"
import { closeSync } from "../../../../ffi/fs.ts"
import { allocate, attempt, syscall } from "../../../../ffi/syscall.ts"
import type { file_entry } from "../../../../proto/gen/fdinfo_pb.ts"
import type { reg_file_entry } from "../../../../proto/gen/regfile_pb.ts"
import { type Keeper, spawnSeed } from "../../../tracee/seed.ts"
import type { Deadline } from "../../../tracee/wait.ts"
import { openFlags } from "../open.ts"
import { layPath } from "../path.ts"
import { kindOf } from "../stat.ts"
import { openStoodIn } from "../stood-in.ts"
import { isAboutProcess } from "./departed.ts"
import { NO_POSITION } from "./restore.ts"

/**
 * Opens files in /proc of a process that had ended: a child of ours takes its PID, and is ended and reaped. What is left of it then is what
 * was left of the process.
 *
 * @returns close-on-exec descriptors by file id, the caller's
 * @throws SyscallError · CheckpointError E_PID_TAKEN, E_TIMEOUT, E_INTERRUPTED
 */
export function openOfDeparted(
  pid: number,
  files: readonly file_entry[],
  deadline: Deadline,
  owner: (pid: number) => Keeper,
): Map<number, number> {
  spawnSeed(pid, {}, deadline, owner)
  const entries = files.flatMap(({ reg }) => reg ?? [])
  return openStoodIn(pid, entries, openAtPosition)
}

/** Takes what the kernel keeps of a text, to its end. */
function drain(fd: number, from: bigint): void {
  const nowhere = allocate(4096)
  for (let at = from, got = 1; got > 0; at += BigInt(got)) got = attempt("pread64", fd, nowhere.address, nowhere.bytes.length, at)
}

/**
 * A file of a process that is about to end. The kernel makes what a position needs, and keeps the text that follows it, which would be
 * about the stand-in: that is taken from there, without moving the position.
 *
 * Kernel: fs/seq_file.c seq_lseek(), seq_read_iter()
 */
function openAtPosition({ name, flags, pos, mode }: reg_file_entry): number {
  const fd = syscall("openat", AT.FDCWD, layPath(name), openFlags(flags) | O.CLOEXEC, 0)
  if (pos === 0n || pos === NO_POSITION || flags & O.PATH) return fd
  try {
    syscall("lseek", fd, pos, SEEK.SET)
    if (kindOf(mode ?? S_IF.REG) === S_IF.REG && isAboutProcess(name)) drain(fd, pos)
    return fd
  } catch (error) {
    closeSync(fd)
    throw error
  }
}
