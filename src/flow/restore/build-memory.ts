import { O } from "../../../ffi/abi/file.ts"
import { damagedImage } from "../../base/errors.ts"
import { openRegular } from "../../kinds/files/open.ts"
import { restoreAioRings } from "../../kinds/memory/aio/restore.ts"
import { toucher } from "../../kinds/memory/holes.ts"
import { nodesWithMemory } from "../../kinds/memory/policy/nodes.ts"
import { restoreAreaPolicies } from "../../kinds/memory/policy/restore.ts"
import { restoreAreaKeys, restoreKeys } from "../../kinds/memory/protection-keys.x86_64.ts"
import { clearAddressSpace, restoreInherited, restoreMm, restorePages, restoreProtection, restoreVmas } from "../../kinds/memory/restore.ts"
import { restoreOverlays } from "../../kinds/memory/stand-in.ts"
import { attachedLengths, restoreAttachments } from "../../kinds/memory/sysv/restore.ts"
import type { Program, Result } from "../../tracee/program.ts"
import type { SavedProcess } from "../images.ts"
import type { ProcessPlan, RestoreContext } from "./restore-context.ts"

/** Appends the opening of a file of files.img for a mapping: a path, or shared memory that exists already. */
function fileOpener(saved: SavedProcess, { memfds, ghosts }: RestoreContext, program: Program): (id: number, access: number) => Result {
  return (id, access) => {
    const entry = saved.files.files.get(id)
    if (entry?.reg) return openRegular(program, entry.reg, access, ghosts)
    const made = entry?.memfd && memfds.get(entry.memfd.inode_id)
    if (made === undefined) throw damagedImage("Cannot restore memory", `a mapping names file ${id}, which files.img does not have`)
    // Opened anew where that gives fewer rights: mprotect(2) looks at them.
    return access === O.RDWR ? program.call("dup", made) : openRegular(program, { id, name: `/proc/self/fd/${made}` }, access, ghosts)
  }
}

/** Appends everything of a process's memory. */
export function appendMemory(
  saved: SavedProcess,
  { pages, moves, aioRings, inherited, exeAtBirth, keysAtBirth }: ProcessPlan,
  context: RestoreContext,
  program: Program,
): void {
  const { tree, mm, extension } = saved
  const areas = extension?.vmas ?? []
  clearAddressSpace(moves, [context.area, ...(inherited?.kept.map(({ area }) => area) ?? [])], program)
  const filled = pages.flatMap(({ fills }) => fills.map(({ start, length }) => ({ start, end: start + length })))
  const isFilled = toucher(filled.sort((a, b) => (a.start < b.start ? -1 : 1)))
  if (inherited) restoreInherited(inherited, isFilled, program)
  restoreKeys(extension ?? {}, areas, keysAtBirth, program)
  restoreVmas(mm.vmas, fileOpener(saved, context, program), isFilled, inherited, program)
  restoreAttachments(mm.vmas, attachedLengths(context.shm), context.shmHole, program)
  restoreAioRings(aioRings, context.exeNumber, program)
  restoreAreaPolicies(areas, nodesWithMemory, program)
  for (const { fd, fills } of pages) restorePages(fills, fd, program)
  restoreOverlays(saved.standIn?.overlays ?? [], tree.pid, program)
  restoreProtection(mm.vmas, areas, isFilled, inherited, program)
  restoreAreaKeys(extension ?? {}, areas, mm.vmas, program)
  if (exeAtBirth === mm.exe_file_id) {
    restoreMm(mm, undefined, program)
    return
  }
  const exe = saved.files.files.get(mm.exe_file_id)
  const made = exe?.memfd && context.memfds.get(exe.memfd.inode_id)
  if (!exe?.reg && made === undefined)
    throw damagedImage(`Cannot restore process ${tree.pid}`, `its executable is file ${mm.exe_file_id}, which files.img does not have`)
  const reg = exe?.reg ?? { id: mm.exe_file_id, name: `/proc/self/fd/${made}` }
  const opened = openRegular(program, reg, 0, context.ghosts)
  program.call("dup3", opened, context.exeNumber, 0)
  program.call("close", opened)
  restoreMm(mm, context.exeNumber, program)
}
