import { CheckpointError } from "../base/errors.ts"
import { openRegular } from "../kinds/files/open.ts"
import { restoreRings } from "../kinds/memory/aio/restore.ts"
import { toucher } from "../kinds/memory/holes.ts"
import { nodesWithMemory } from "../kinds/memory/policy/nodes.ts"
import { restoreAreaPolicies } from "../kinds/memory/policy/restore.ts"
import { clearLayout, restoreInherited, restoreMm, restorePages, restoreProtection, restoreVmas } from "../kinds/memory/restore.ts"
import { restoreOverlays } from "../kinds/memory/stand-in.ts"
import { restoreAttachments } from "../kinds/memory/sysv/restore.ts"
import type { Program, Result } from "../tracee/program.ts"
import type { Ground, Plot } from "./ground.ts"
import type { SavedProcess } from "./images.ts"

/** Appends the opening of a file of files.img for a mapping: a path, or shared memory that exists already. */
function fileOpener(saved: SavedProcess, { segments, ghosts }: Ground, program: Program): (id: number, access: number) => Result {
  return (id, access) => {
    const entry = saved.files.files.get(id)
    if (entry?.reg) return openRegular(program, entry.reg, access, ghosts)
    const made = entry?.memfd && segments.get(entry.memfd.inode_id)
    if (made === undefined)
      throw new CheckpointError(
        "E_IMAGE_CORRUPT",
        "Cannot restore memory",
        `a mapping names file ${id}, which files.img does not have`,
        "Use another image set",
      )
    return program.call("dup", made)
  }
}

/** Appends everything of a process's memory. */
export function appendMemory(
  saved: SavedProcess,
  { pages, moves, rings, inherited, exe: bornWith }: Plot,
  ground: Ground,
  program: Program,
): void {
  const { tree, mm, extension } = saved
  clearLayout(moves, [ground.area, ...(inherited?.kept.map(({ area }) => area) ?? [])], program)
  const filled = pages.flatMap(({ fills }) => fills.map(({ start, length }) => ({ start, end: start + length })))
  const isFilled = toucher(filled.sort((a, b) => (a.start < b.start ? -1 : 1)))
  if (inherited) restoreInherited(inherited, isFilled, program)
  restoreVmas(mm.vmas, fileOpener(saved, ground, program), isFilled, inherited, program)
  const sizes = new Map(ground.shm.map(({ id, size }) => [id, size]))
  restoreAttachments(mm.vmas, sizes, ground.shmHole, program)
  restoreRings(rings, ground.exe, program)
  restoreAreaPolicies(extension?.vmas ?? [], nodesWithMemory, program)
  for (const { fd, fills } of pages) restorePages(fills, fd, program)
  restoreOverlays(saved.standIn?.overlays ?? [], tree.pid, program)
  restoreProtection(mm.vmas, extension?.vmas ?? [], isFilled, inherited, program)
  if (bornWith === mm.exe_file_id) {
    restoreMm(mm, undefined, program)
    return
  }
  const exe = saved.files.files.get(mm.exe_file_id)?.reg
  if (!exe)
    throw new CheckpointError(
      "E_IMAGE_CORRUPT",
      `Cannot restore process ${tree.pid}`,
      `its executable is file ${mm.exe_file_id}, which files.img does not have`,
      "Use another image set",
    )
  const opened = openRegular(program, exe, 0, ground.ghosts)
  program.call("dup3", opened, ground.exe, 0)
  program.call("close", opened)
  restoreMm(mm, ground.exe, program)
}
