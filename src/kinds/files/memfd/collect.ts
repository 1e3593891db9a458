import { HUGETLBFS_MAGIC } from "../../../../ffi/abi/file.ts"
import { allocate, attempt, pathArgument } from "../../../../ffi/syscall.ts"
import type { memfd_file_entry } from "../../../../proto/gen/memfd_pb.ts"
import { fileLocks } from "../../../proc/locks.ts"
import type { Collecting, Found, OpenFile, Reason } from "../kind.ts"

const memory = allocate(4096)
const NAME = /^(\/memfd:.*) \(deleted\)$/s

/** Memory files: what memfd_create(2) makes. */
export const isMemfd = ({ target }: Found): boolean => NAME.test(target)

/** Memory files of huge pages, and with locks. */
export function refuseMemfd({ pid, fd, target, info }: Found): Reason | undefined {
  const [lock] = fileLocks(info)
  if (lock)
    return { what: `"${target}" with a lock (${lock.kind} ${lock.access})`, remedy: "Let the program release the lock before the dump" }
  // Through the link: a descriptor that is closed by now is judged again in the freeze.
  const answer = attempt("statfs", pathArgument(`/proc/${pid}/fd/${fd}`), memory.address)
  if (answer < 0 || memory.view.getUint32(0, true) !== HUGETLBFS_MAGIC) return undefined
  return { what: `"${target}", a memory file of huge pages (MFD_HUGETLB)`, remedy: "Use transparent huge pages (madvise MADV_HUGEPAGE)" }
}

/** An open memfd -> its entry; what it opens is collected once, with the shared memory of mappings. Mirror: ./restore.ts */
export function collectMemfd(
  { id, pid, fd, target, stat, flags, info, owner }: OpenFile,
  { table }: Pick<Collecting, "table">,
): memfd_file_entry {
  const shown = NAME.exec(target)?.[1] ?? target
  return { id, flags, pos: BigInt.asUintN(64, info.pos), fown: owner, inode_id: table.memfd(pid, fd, shown, stat) }
}
