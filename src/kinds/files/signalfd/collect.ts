import type { signalfd_entry } from "../../../../proto/gen/signalfd_pb.ts"
import type { OpenFile } from "../collecting.ts"

/**
 * An open signalfd -> its entry. Mirror: ./restore.ts. Kernel: fs/signalfd.c signalfd_show_fdinfo()
 * What can be read from it is pending in whoever reads: those signals are kept with their processes.
 */
export const collectSignalfd = ({ id, flags, owner, info }: OpenFile): signalfd_entry => ({
  id,
  flags,
  fown: owner,
  sigmask: info.hex("sigmask"),
})
