import { O } from "../../../ffi/abi/file.ts"
import type { fs_entry } from "../../../proto/gen/fs_pb.ts"
import { CheckpointError, type Refusal } from "../../base/errors.ts"

/** How directories get their ids: by the file table of the dump. */
interface DirectoryIds {
  /** Id of what a link in /proc leads to, opened with an access mode. @throws CheckpointError E_UNSUPPORTED it has no name any more */
  link(link: string, access: number): number
}

/** Why what a link in /proc leads to has no name that leads there again; undefined when it has. */
type RefuseLink = (link: string) => { readonly what: string; readonly remedy: string } | undefined

/** Directories of a running process that a dump cannot keep: deleted ones, those whose path leads elsewhere. */
export const surveyFs = (pid: number, refuseLink: RefuseLink): Refusal[] =>
  ["cwd", "root"].flatMap((name) => {
    const reason = refuseLink(`/proc/${pid}/${name}`)
    return reason ? [{ ...reason, where: `task ${pid} ${name === "cwd" ? "working" : "root"} directory` }] : []
  })

/**
 * Working directory, root and umask of a process -> its fs entry. Mirror: ./restore.ts
 *
 * @param umask as its status shows it
 * @throws CheckpointError E_UNSUPPORTED a directory was deleted · E_KERNEL before Linux 4.7, which does not tell the umask
 */
export function collectFs(pid: number, umask: number | null, files: DirectoryIds): fs_entry {
  if (umask === null)
    throw new CheckpointError("E_KERNEL", `Cannot read the umask of task ${pid}`, "/proc/PID/status has none", "Use Linux 4.7 or later")
  return { cwd_id: files.link(`/proc/${pid}/cwd`, O.RDONLY), root_id: files.link(`/proc/${pid}/root`, O.RDONLY), umask }
}
