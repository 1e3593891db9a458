import type { eventfd_file_entry } from "../../../../proto/gen/eventfd_pb.ts"
import type { Collecting, OpenFile } from "../collecting.ts"

const UNTOLD = "whether eventfds are in semaphore mode (EFD_SEMAPHORE), which kernels before 6.5 tell nobody: they will not be"

/** An open eventfd -> its entry; semaphore mode goes to the extension. Mirror: ./restore.ts. Kernel: fs/eventfd.c eventfd_show_fdinfo() */
export function collectEventfd(
  { id, flags, owner, info }: OpenFile,
  { extension, losses }: Pick<Collecting, "extension" | "losses">,
): eventfd_file_entry {
  if (!info.has("eventfd-semaphore")) {
    if (!losses.includes(UNTOLD)) losses.push(UNTOLD)
  } else if (info.dec("eventfd-semaphore") === 1n) extension.push({ id, eventfd_semaphore: true })
  return { id, flags, fown: owner, counter: info.hex("eventfd-count") }
}
