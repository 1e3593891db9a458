import type { task_kobj_ids_entry } from "../../../proto/gen/core_pb.ts"
import type { pstree_entry } from "../../../proto/gen/pstree_pb.ts"
import { CheckpointError } from "../../base/errors.ts"
import type { Program } from "../../tracee/program.ts"

/**
 * The one process of a set. Mirror: ./collect.ts
 *
 * @throws CheckpointError E_IMAGE_CORRUPT no or a broken tree · E_IMAGE_UNSUPPORTED more than one process, or namespaces of its own
 */
export function oneProcess(tree: readonly pstree_entry[], shellJob: boolean): pstree_entry {
  const [root, second] = tree
  const action = "Cannot restore this process tree"
  if (!root) throw new CheckpointError("E_IMAGE_CORRUPT", action, "pstree.img has no entry", "Use another image set")
  if (second)
    throw new CheckpointError(
      "E_IMAGE_UNSUPPORTED",
      action,
      `it has ${tree.length} processes`,
      "Restore it with CRIU; trees come in a later version",
    )
  if (root.ppid !== 0)
    throw new CheckpointError("E_IMAGE_CORRUPT", action, `its root ${root.pid} has parent ${root.ppid}`, "Use another image set")
  if (root.threads[0] !== root.pid || new Set(root.threads).size !== root.threads.length)
    throw new CheckpointError(
      "E_IMAGE_CORRUPT",
      action,
      `the threads of process ${root.pid} are ${root.threads.join(", ")}`,
      "Use another image set",
    )
  if (root.sid !== root.pid && !shellJob)
    throw new CheckpointError(
      "E_USAGE",
      action,
      `process ${root.pid} belongs to session ${root.sid}, which is not in the images`,
      "Add --shell-job: the process joins the session of this terminal",
    )
  return root
}

/** Namespaces that differ from the dumping program's would have to be made anew. @throws CheckpointError E_IMAGE_UNSUPPORTED */
export function sameNamespaces(ids: task_kobj_ids_entry, root: task_kobj_ids_entry | undefined): void {
  const kinds = ["pid_ns_id", "net_ns_id", "ipc_ns_id", "uts_ns_id", "time_ns_id", "mnt_ns_id", "user_ns_id", "cgroup_ns_id"] as const
  const own = kinds.filter((kind) => root?.[kind] !== undefined && ids[kind] !== undefined && root[kind] !== ids[kind])
  if (own.length > 0)
    throw new CheckpointError(
      "E_IMAGE_UNSUPPORTED",
      "Cannot restore this process tree",
      `it has namespaces of its own: ${own.map((kind) => kind.replace("_ns_id", "")).join(", ")}`,
      "Restore it with CRIU; namespaces come in a later version",
    )
}

/** Appends session and process group. A job of a shell keeps the session it is born into, and its group when it led it. */
export function restoreSession({ pid, sid, pgid }: pstree_entry, program: Program): void {
  if (sid === pid) program.callWith({ about: "the session" }, "setsid")
  else if (pgid === pid) program.callWith({ about: "the process group" }, "setpgid", 0, 0)
}
