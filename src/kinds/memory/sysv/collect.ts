import { SHM } from "../../../../ffi/abi/ipc.ts"
import { closeSync, openSync } from "../../../../ffi/fs.ts"
import type { ipc_shm_entry } from "../../../../proto/gen/ipc-shm_pb.ts"
import type { stasis_shm_entry } from "../../../../proto/gen/stasis_pb.ts"
import { CheckpointError } from "../../../base/errors.ts"
import { roundUp } from "../../../base/units.ts"
import { mapLink, mappedInode } from "../../../proc/maps.ts"
import type { ShmRow } from "../../../proc/sysvipc.ts"
import { hugePageSize, hugeRanges } from "../huge-data.ts"
import { sizeBits } from "../huge-size.ts"
import type { PageRange } from "../pages.ts"
import { dataRanges } from "../shared.ts"
import { type SegmentSource, showAll, unionOf, type Window } from "../windows.ts"
import type { Attached } from "./mapping.ts"

/** A segment of a dump. */
export interface SysvSegment {
  readonly entry: ipc_shm_entry
  readonly extension: stasis_shm_entry
  /** Parts that hold data: offsets in the segment, bytes. */
  readonly ranges: PageRange[]
  readonly source: SegmentSource
}

/**
 * A segment's row -> its entries. Mirror: ./restore.ts. Kernel: ipc/shm.c.
 *
 * @param madeKey the key in its name, which outlives IPC_RMID
 * @param pageSize bytes, of huge pages alone
 */
export const collectShm = (row: ShmRow, madeKey: number, pageSize?: bigint): Pick<SysvSegment, "entry" | "extension"> => {
  const { id, key, uid, gid, cuid, cgid, mode, size, ctime, cpid } = row
  return {
    entry: {
      desc: { key, uid, gid, cuid, cgid, mode, id },
      size,
      in_pagemaps: true,
      ...(pageSize ? { hugetlb_flag: SHM.HUGETLB | sizeBits(pageSize) } : {}),
    },
    extension: { id, ctime, creator: cpid, ...(mode & SHM.DEST && madeKey ? { made_key: madeKey } : {}) },
  }
}

function throughWindows(row: ShmRow, own: Attached, windows: readonly Window[]): SysvSegment {
  if (!showAll(windows, row.size))
    throw new CheckpointError(
      "E_UNSUPPORTED",
      `Cannot keep System V segment ${row.id}`,
      "it is attached in part only, and the rest of it cannot be read",
      "Run stasis as root or with CAP_CHECKPOINT_RESTORE, or let the program attach the whole segment",
    )
  return { ...collectShm(row, own.madeKey), ranges: unionOf(windows.flatMap(({ ranges }) => ranges)), source: windows }
}

/**
 * The segments that a tree has attached, and where their data is.
 *
 * @param windows to all shared memory of the tree, where links in /proc/PID/map_files may not be followed
 * @throws CheckpointError E_UNSUPPORTED no window shows the whole of one
 * Precondition: the tree is stopped and has them for itself, see `surveySysvSegments`.
 */
export const collectSysv = (
  attached: ReadonlyMap<number, Attached>,
  rows: readonly ShmRow[],
  windows: ReadonlyMap<string, readonly Window[]> | undefined,
): SysvSegment[] =>
  rows.flatMap((row) => {
    const own = attached.get(row.id)
    if (!own) return []
    if (windows) return [throughWindows(row, own, windows.get(mappedInode(own.mapping)) ?? [])]
    const { start, end } = own.mapping
    const path = mapLink(own.pid, { start, end })
    const fd = openSync(path, "r")
    try {
      const pageSize = hugePageSize(fd)
      const ranges = pageSize ? hugeRanges(fd, Number(roundUp(row.size, pageSize)), pageSize) : dataRanges(fd, Number(row.size))
      return [{ ...collectShm(row, own.madeKey, pageSize), ranges, source: path }]
    } finally {
      closeSync(fd)
    }
  })
