import { PIDFD_THREAD } from "../../../../ffi/abi/pidfd.ts"
import type { file_entry } from "../../../../proto/gen/fdinfo_pb.ts"
import type { pidfd_entry } from "../../../../proto/gen/pidfd_pb.ts"
import type { Program, Result } from "../../../tracee/program.ts"
import type { Restoring } from "../restoring.ts"
import { DEPARTED } from "./collect.ts"

/** True for a file that leads to a process which had ended: it is made before the tree, see ./departed.ts */
export const isDeparted = (file: file_entry | undefined): boolean => file?.pidfd?.nspid === DEPARTED

/**
 * An entry -> an open pidfd appended to the program. Mirror: ./collect.ts
 *
 * Precondition: the process that it leads to exists; one of a departed process is inherited.
 */
export function restorePidfd({ nspid, flags }: pidfd_entry, { program }: Pick<Restoring, "program">): Result {
  return program.callWith({ about: `the descriptor of process ${nspid}` }, "pidfd_open", nspid, flags & PIDFD_THREAD)
}

/** Appends what takes descriptors from their maker to the same numbers here. Man page: pidfd_getfd(2) */
export function takeDescriptors(maker: number, numbers: readonly number[], program: Program): void {
  const process = program.callWith({ about: `process ${maker}` }, "pidfd_open", maker, 0)
  for (const number of numbers) {
    const taken = program.callWith({ about: `descriptor ${number} of process ${maker}` }, "pidfd_getfd", process, number, 0)
    program.call("dup3", taken, number, 0)
    program.call("close", taken)
  }
  program.call("close", process)
}

/** Why a pidfd of the images cannot be made again; undefined when it can. @param pids of the tree, zombies included */
export function faultOf({ nspid }: pidfd_entry, pids: ReadonlySet<number>): string | undefined {
  if (nspid === DEPARTED || pids.has(nspid)) return undefined
  return `it leads to process ${nspid}, which the images do not have`
}
