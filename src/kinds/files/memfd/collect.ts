import type { memfd_file_entry } from "../../../../proto/gen/memfd_pb.ts"
import type { Collecting, Found, OpenFile, Reason, Surveying } from "../collecting.ts"

const NAME = /^(\/memfd:.*) \(deleted\)$/s

/** Memory files: what memfd_create(2) makes. */
export const isMemfd = ({ target }: Found): boolean => NAME.test(target)

/** Memory files that only a message in a socket's queue leads to: their pages are read when it is closed again. */
export const refuseMemfd = ({ pid, target }: Found, { insiders }: Pick<Surveying, "insiders">): Reason | undefined =>
  insiders.some((insider) => insider.pid === pid)
    ? undefined
    : {
        what: `"${target}", a memory file that is on its way through a socket`,
        remedy: "Let the program receive its messages before the dump",
      }

/** An open memfd -> its entry; what it opens is collected once, with the shared memory of mappings. Mirror: ./restore.ts */
export function collectMemfd(
  { id, pid, fd, target, stat, flags, info, owner }: OpenFile,
  { table }: Pick<Collecting, "table">,
): memfd_file_entry {
  const shown = NAME.exec(target)?.[1] ?? target
  return { id, flags, pos: BigInt.asUintN(64, info.pos), fown: owner, inode_id: table.memfd(pid, fd, shown, stat) }
}
