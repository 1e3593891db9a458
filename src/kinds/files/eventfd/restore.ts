import { EFD_SEMAPHORE } from "../../../../ffi/abi/file.ts"
import type { eventfd_file_entry } from "../../../../proto/gen/eventfd_pb.ts"
import type { Result } from "../../../tracee/program.ts"
import type { Restoring } from "../restoring.ts"

/**
 * An entry -> an open eventfd appended to the program. Mirror: ./collect.ts
 * Semaphore mode comes from our extension; CRIU's images have no field for it.
 */
export function restoreEventfd(
  { id, counter }: eventfd_file_entry,
  { program, extension }: Pick<Restoring, "program" | "extension">,
): Result {
  const semaphore = extension.get(id)?.eventfd_semaphore ? EFD_SEMAPHORE : 0
  const about = `eventfd ${id}`
  const fd = program.callWith({ about }, "eventfd2", 0, semaphore)
  // Written, not passed: the initial value of eventfd2 is 32 bits wide, the counter 64.
  if (counter > 0n)
    program.callWith({ about, returns: 8 }, "write", fd, program.bytes(new Uint8Array(BigUint64Array.of(counter).buffer)), 8)
  return fd
}
