import { O, SEEK } from "../../../../ffi/abi/file.ts"
import type { reg_file_entry } from "../../../../proto/gen/regfile_pb.ts"
import { CheckpointError, damagedImage } from "../../../base/errors.ts"
import type { Result } from "../../../tracee/program.ts"
import type { Restoring } from "../restoring.ts"
import { isHidden, lookUpQueue, queueName } from "./queue.ts"

/**
 * An entry -> an open queue appended to the program. What is in it has stayed where it is. Mirror: ./collect.ts. Man page: mq_overview(7)
 */
export function restoreQueue({ name, flags, pos }: reg_file_entry, { program }: Pick<Restoring, "program">): Result {
  const about = `message queue "${name}"`
  const fd = program.callWith({ about }, "mq_open", program.string(queueName(name)), flags & (O.ACCMODE | O.NONBLOCK), 0, 0)
  if (pos !== 0n) program.callWith({ about, returns: pos }, "lseek", fd, pos, SEEK.SET)
  return fd
}

/**
 * Checks that a queue is still there.
 *
 * @param inode number that it had: a later one of its name has another
 * @throws CheckpointError E_FILE_CHANGED · E_IMAGE_CORRUPT
 */
export function checkQueue({ id, name }: reg_file_entry, inode: bigint): void {
  if (!isHidden({ target: name })) throw damagedImage(`Cannot restore file ${id} of files.img`, `"${name}" is no name of a message queue`)
  const there = lookUpQueue(name)
  if (there?.ino === inode) return
  throw new CheckpointError(
    "E_FILE_CHANGED",
    `Cannot restore the message queue "${name}"`,
    there ? "another queue has its name" : "it does not exist: queues go with the machine",
    "Restore while the queue of the dump is there: its messages are not in the images",
  )
}
