import { AT } from "../../../../ffi/abi/file.ts"
import type { task_kobj_ids_entry } from "../../../../proto/gen/core_pb.ts"
import type { ns_file_entry } from "../../../../proto/gen/ns_pb.ts"
import { CheckpointError, damagedImage } from "../../../base/errors.ts"
import type { Result } from "../../../tracee/program.ts"
import { NAMESPACE_KINDS } from "../../namespaces.ts"
import { openFlags } from "../open.ts"
import { NO_OWNER } from "../owner.ts"
import type { Restoring } from "../restoring.ts"
import type { FileFacts } from "../row.ts"

/** A namespace has no owner for signals. */
export const namespaceFacts = ({ id, flags }: ns_file_entry): FileFacts => ({ id, flags, fown: { ...NO_OWNER } })

/**
 * Checks that a namespace is one that the tree is in.
 *
 * @param ids of the root of the tree   @throws CheckpointError E_IMAGE_CORRUPT · E_IMAGE_UNSUPPORTED
 */
export function checkNamespace({ id, ns_id, ns_cflag }: ns_file_entry, ids: Partial<task_kobj_ids_entry>): void {
  const kind = NAMESPACE_KINDS.find(({ flag }) => flag === ns_cflag)
  const action = `Cannot restore file ${id} of files.img`
  if (!kind) throw damagedImage(action, `0x${ns_cflag.toString(16)} is no kind of namespace`)
  if (ids[kind.id] === ns_id) return
  const found = `it is ${kind.name} namespace ${ns_id}, which the tree is not in`
  throw new CheckpointError("E_IMAGE_UNSUPPORTED", action, found, "Restore this image with CRIU, or dump the program without it")
}

/** An entry -> the namespace that the process is in, open. Mirror: ./collect.ts */
export function restoreNamespace({ ns_cflag, flags }: ns_file_entry, { program }: Pick<Restoring, "program">): Result {
  const name = NAMESPACE_KINDS.find(({ flag }) => flag === ns_cflag)?.name
  if (!name) throw new Error(`Unreachable: namespace 0x${ns_cflag.toString(16)} was not checked`)
  const about = `the ${name} namespace`
  return program.callWith({ about }, "openat", AT.FDCWD, program.string(`/proc/self/ns/${name}`), openFlags(flags), 0)
}
