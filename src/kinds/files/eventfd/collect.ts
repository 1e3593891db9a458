import type { eventfd_file_entry } from "../../../../proto/gen/eventfd_pb.ts"
import type { Collecting, OpenFile } from "../kind.ts"

/** An open eventfd -> its entry; semaphore mode goes to the extension. Mirror: ./restore.ts. Kernel: fs/eventfd.c eventfd_show_fdinfo() */
export function collectEventfd({ id, flags, owner, info }: OpenFile, { extension }: Pick<Collecting, "extension">): eventfd_file_entry {
  // Printed since Linux 6.5; an older kernel keeps the mode to itself.
  if (info.has("eventfd-semaphore") && info.dec("eventfd-semaphore") === 1n) extension.push({ id, eventfd_semaphore: true })
  return { id, flags, fown: owner, counter: info.hex("eventfd-count") }
}
