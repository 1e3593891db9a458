import { join } from "node:path"
import { existsSync, renameSync, rmSync, writeFileSync } from "../../ffi/fs.ts"
import type { stats_entry } from "../../proto/gen/stats_pb.ts"
import { temporaryName } from "./directory.ts"
import { ioFailure } from "./failure.ts"
import { fileName } from "./name.ts"
import { encodeImage } from "./write.ts"

/**
 * Writes stats-dump or stats-restore, replacing an older one. Not synced: it is not needed to restore.
 *
 * @param workDir the work directory (-W), not the images directory
 * @throws CheckpointError E_DISK_FULL, E_DIRECTORY, E_IO
 */
export function writeStats(workDir: string, which: "dump" | "restore", entry: stats_entry): void {
  const name = fileName("stats", which)
  const temporary = join(workDir, temporaryName(name))
  try {
    writeFileSync(temporary, encodeImage("stats", [entry]), { mode: 0o600 })
    renameSync(temporary, join(workDir, name))
  } catch (error) {
    // Where the file system is read-only even the removal of nothing is refused.
    if (existsSync(temporary)) rmSync(temporary, { force: true })
    throw ioFailure(`Cannot write ${join(workDir, name)}`, error)
  }
}
