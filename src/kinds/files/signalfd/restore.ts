import type { signalfd_entry } from "../../../../proto/gen/signalfd_pb.ts"
import type { Result } from "../../../tracee/program.ts"
import type { Restoring } from "../restoring.ts"

/** An entry -> an open signalfd appended to the program. Mirror: ./collect.ts */
export function restoreSignalfd({ id, sigmask }: signalfd_entry, { program }: Pick<Restoring, "program">): Result {
  const mask = program.bytes(new Uint8Array(BigUint64Array.of(sigmask).buffer))
  return program.callWith({ about: `signalfd ${id}` }, "signalfd4", -1, mask, 8, 0)
}
