import { readFileSync } from "../../../../ffi/fs.ts"
import type { reg_file_entry } from "../../../../proto/gen/regfile_pb.ts"
import { errnoOf } from "../../../base/errno.ts"
import type { Collecting, Found, OpenFile, Reason, Surveying } from "../collecting.ts"
import { sameFile } from "../stat.ts"
import { isHidden, lookUpQueue } from "./queue.ts"

/** The process that is told of the next message, 0 = none, in our PID namespace. Kernel: ipc/mqueue.c mqueue_read_file() */
function notified({ pid, fd }: Found): number {
  try {
    return Number(/NOTIFY_PID:\s*(\d+)/.exec(readFileSync(`/proc/${pid}/fd/${fd}`, "latin1"))?.[1] ?? 0)
  } catch (error) {
    // A running process may have closed it by now: it is judged again in the freeze.
    if (errnoOf(error) === "ENOENT") return 0
    throw error
  }
}

/** Queues that would be gone with their last descriptor, and those that tell a process of the tree of messages: how, nobody is told. */
export function refuseQueue(found: Found, { insiders }: Pick<Surveying, "insiders">): Reason | undefined {
  const { target, stat } = found
  const what = `"${target}", a POSIX message queue`
  // Who reads its messages takes them out: whoever waits for room in it would send, and a killed tool would have lost them.
  if (stat.nlink === 0)
    return {
      what: `${what} that was unlinked, which goes with its last descriptor and whose messages can only be read by taking them out`,
      remedy: "Let the program receive what is queued and close it, or unlink it (mq_unlink) only after the dump",
    }
  const told = notified(found)
  if (insiders.some(({ pid }) => pid === told))
    return {
      what: `${what} with a notification (mq_notify)`,
      remedy: "Let the program remove it (mq_notify without an event) before the dump",
    }
  if (!isHidden(found)) return undefined
  const there = lookUpQueue(target)
  if (there && sameFile(there, stat)) return undefined
  return { what: `${what} of another IPC namespace`, remedy: "Let the program close it before the dump" }
}

/** A queue that mq_open(3) opened -> an entry of a file; what tells it from a later one is in our extension. Mirror: ./restore.ts */
export function collectQueue(
  { id, flags, info, owner, target, stat }: OpenFile,
  { extension }: Pick<Collecting, "extension">,
): reg_file_entry {
  extension.push({ id, queue_inode: stat.ino })
  return { id, flags, pos: BigInt.asUintN(64, info.pos), fown: owner, name: target, mode: stat.mode, build_id: [] }
}
