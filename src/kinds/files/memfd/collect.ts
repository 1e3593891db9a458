import { HUGETLBFS_MAGIC } from "../../../../ffi/abi/file.ts"
import { allocate, attempt, pathArgument } from "../../../../ffi/syscall.ts"
import type { memfd_file_entry } from "../../../../proto/gen/memfd_pb.ts"
import type { Collecting, Found, OpenFile, Reason, Surveying } from "../kind.ts"

const memory = allocate(4096)
const NAME = /^(\/memfd:.*) \(deleted\)$/s

/** Memory files: what memfd_create(2) makes. */
export const isMemfd = ({ target }: Found): boolean => NAME.test(target)

/** Memory files of huge pages, and those that only a message in a socket's queue leads to: their pages are read when it is closed again. */
export function refuseMemfd({ pid, fd, target }: Found, { holders }: Pick<Surveying, "holders">): Reason | undefined {
  if (!holders.some((holder) => holder.pid === pid))
    return {
      what: `"${target}", a memory file that is on its way through a socket`,
      remedy: "Let the program receive its messages before the dump",
    }
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
