import type { memfd_inode_entry } from "../../../proto/gen/memfd_pb.ts"
import type { Program, Result } from "../../tracee/program.ts"
import { HUGE_ANONYMOUS } from "./huge/mapping.ts"
import { ANONYMOUS } from "./shmem.ts"

/** Appends owner and mode of a segment's file: shared anonymous memory has the mode that it was made with. */
export function restoreOwner({ inode_id, name, uid, gid, mode }: memfd_inode_entry, fd: Result, program: Program): void {
  const about = `shared memory ${inode_id}`
  if (uid || gid) program.callWith({ about }, "fchown", fd, uid, gid)
  if (mode !== undefined && name !== ANONYMOUS && name !== HUGE_ANONYMOUS) program.callWith({ about }, "fchmod", fd, mode & 0o7777)
}
