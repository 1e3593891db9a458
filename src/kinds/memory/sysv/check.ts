import { IPC, SHM } from "../../../../ffi/abi/ipc.ts"
import { existsSync } from "../../../../ffi/fs.ts"
import { attempt } from "../../../../ffi/syscall.ts"
import { CheckpointError } from "../../../base/errors.ts"
import { PAGE } from "../../../base/units.ts"
import type { ShmRow } from "../../../proc/sysvipc.ts"
import { NEXT_ID, type PlannedShm } from "./restore.ts"
import { type SavedShm, shmPageSize } from "./saved.ts"

/** Bits of an ID that are the segment's place in the table. Kernel: ipc/util.h IPCMNI_SHIFT */
const INDEX_BITS = 15
const indexOf = (id: number): number => id & ((1 << INDEX_BITS) - 1)

const cannot = (id: number, found: string, next: string): CheckpointError =>
  new CheckpointError("E_RESTORE", `Cannot restore System V segment ${id}`, found, next)

/**
 * In what a segment that is there differs from the one that was dumped. One that is alike but younger is taken for it if the root of the
 * tree has made it: then a restore did.
 */
function difference({ entry: { desc, size }, extension }: SavedShm, row: ShmRow, root: number): string | undefined {
  const was = { ...desc, size }
  for (const name of ["key", "size", "uid", "gid", "cuid", "cgid"] as const)
    if (was[name] !== row[name]) return `its ${name} was ${was[name]} and is ${row[name]}`
  if ((was.mode & 0o777) !== (row.mode & 0o777))
    return `its mode was ${(was.mode & 0o777).toString(8)} and is ${(row.mode & 0o777).toString(8)}`
  if (extension.ctime !== row.ctime && row.cpid !== root) return "it was made or changed since the dump"
  return undefined
}

function planOne(
  saved: SavedShm,
  rows: readonly ShmRow[],
  known: ReadonlySet<number>,
  root: number,
  canMake: boolean,
  self: number,
): PlannedShm {
  const { entry, extension } = saved
  const { size, desc } = entry
  const { id, key, uid, gid, cuid, cgid, mode } = desc
  const facts = { id, size, pageSize: shmPageSize(entry), mode, uid, gid, cuid, cgid, known }
  const row = rows.find((other) => other.id === id)
  if (row) {
    const remove = `Remove it (ipcrm -m ${id}) if nobody needs it, then restore again`
    const differs = difference(saved, row, root)
    if (differs) throw cannot(id, `another segment has this ID: ${differs}`, remove)
    if (row.nattch > 0)
      throw cannot(
        id,
        `other processes use it: it has ${row.nattch} attachments`,
        `End them (ipcs -mp names the last one, ${row.lpid}), then restore again`,
      )
    return { ...facts, key, way: "fill" }
  }
  if (!canMake)
    throw new CheckpointError(
      "E_KERNEL",
      `Cannot restore System V segment ${id}`,
      `it has gone, and this kernel gives no ID that is asked for: there is no ${NEXT_ID}`,
      "Restore on a kernel with CONFIG_CHECKPOINT_RESTORE",
    )
  if (facts.pageSize !== PAGE && cuid !== self)
    throw cannot(
      id,
      `it has huge pages, and user ${cuid} made it: who becomes that user may make none`,
      `Make it again before (${id} in shm_next_id), or restore as user ${cuid}, in the group of vm.hugetlb_shm_group`,
    )
  // A removed one has no key any more, but its name still tells the one that it was made with.
  const wanted = mode & SHM.DEST ? (extension.made_key ?? IPC.PRIVATE) : key
  const rival = wanted === IPC.PRIVATE ? undefined : rows.find((other) => other.key === wanted)
  if (rival && !(mode & SHM.DEST))
    throw cannot(id, `segment ${rival.id} has its key, 0x${key.toString(16)}`, `Remove that (ipcrm -m ${rival.id}) if nobody needs it`)
  const place = rows.find((other) => indexOf(other.id) === indexOf(id))
  if (place)
    throw cannot(id, `segment ${place.id} has its place in the kernel's table`, `Remove that (ipcrm -m ${place.id}) if nobody needs it`)
  return { ...facts, key: rival ? IPC.PRIVATE : wanted, way: "make" }
}

/**
 * Decides how each segment of a set comes back. Nothing is changed.
 *
 * One that is still there and in nobody's use gets the content that it had in the dump; one that others use is left alone, for whose
 * content would it be? One that has gone is made again.
 *
 * @param rows of the IPC namespace   @param root PID of the tree's root
 * @param canMake the kernel gives IDs that are asked for   @param self the user that makes them
 * @throws CheckpointError E_RESTORE · E_KERNEL
 */
export function planShm(
  saved: readonly SavedShm[],
  rows: readonly ShmRow[],
  root: number,
  canMake = existsSync(NEXT_ID),
  self = attempt("geteuid"),
): PlannedShm[] {
  const known = new Set(rows.map(({ id }) => id))
  return saved.map((one) => planOne(one, rows, known, root, canMake, self))
}
