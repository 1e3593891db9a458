import { CAP } from "../../../ffi/abi/caps.ts"
import { CLONE } from "../../../ffi/abi/clone.ts"
import { AT, O } from "../../../ffi/abi/file.ts"
import type { timens_entry, timespec } from "../../../proto/gen/timens_pb.ts"
import { damagedImage } from "../../base/errors.ts"
import { logger } from "../../base/log.ts"
import { NANOSECONDS } from "../../base/units.ts"
import { ownNamespaces, readNamespace } from "../../proc/links.ts"
import { hasCapability } from "../../proc/rights.ts"
import { type ClockOffsets, formatClockOffsets, readClockOffsetsIfAlive } from "../../proc/timens.ts"
import type { Program } from "../../tracee/program.ts"
import { clockNow, MOVED, machineClocks } from "./now.ts"

const log = logger("restore")
/** Seconds that the kernel takes at most. Kernel: kernel/time/namespace.c proc_timens_set_offset(), half of KTIME_SEC_MAX */
const MOST = 4_611_686_018n

/** Checks the clocks of a set. @throws CheckpointError E_IMAGE_CORRUPT */
export function checkClocks({ monotonic, boottime }: timens_entry): void {
  for (const { tv_sec, tv_nsec } of [monotonic, boottime])
    if (tv_nsec >= NANOSECONDS || tv_sec >= MOST)
      throw damagedImage("Cannot restore the clocks", `one was at ${tv_sec} s and ${tv_nsec} ns`)
}

const nanoseconds = ({ tv_sec, tv_nsec }: timespec): bigint => tv_sec * NANOSECONDS + tv_nsec

/** Offsets of a time namespace in which clocks go on from an entry, as /proc/PID/timens_offsets takes them. */
export function clockOffsets({ monotonic, boottime }: timens_entry, machine: ClockOffsets): string {
  return formatClockOffsets({ monotonic: nanoseconds(monotonic) - machine.monotonic, boottime: nanoseconds(boottime) - machine.boottime })
}

/**
 * Appends that a process goes into a new time namespace, in which the clocks go on from an entry. Mirror: ./collect.ts
 *
 * Every call may fail: without CAP_SYS_ADMIN, CAP_SYS_TIME or time namespaces (CONFIG_TIME_NS) the clocks stay those of the tool, which
 * `hasOwnClocks` tells afterwards. Preconditions: the process has one thread, and no child yet. Man page: time_namespaces(7)
 */
export function restoreClocks(entry: timens_entry, program: Program): void {
  const machine = machineClocks()
  if (!machine) return
  const about = "the clocks"
  const text = new TextEncoder().encode(clockOffsets(entry, machine))
  const attempt = { about, mayFail: true }
  const open = (path: string, flags: number) => program.callWith(attempt, "openat", AT.FDCWD, program.string(path), flags, 0)
  program.callWith(attempt, "unshare", CLONE.NEWTIME)
  const offsets = open("/proc/self/timens_offsets", O.WRONLY)
  program.callWith(attempt, "write", offsets, program.bytes(text), text.length)
  program.callWith(attempt, "close", offsets)
  // Only the children of who unshares it are in it by themselves.
  const namespace = open("/proc/self/ns/time_for_children", O.RDONLY)
  program.callWith(attempt, "setns", namespace, CLONE.NEWTIME)
  program.callWith(attempt, "close", namespace)
}

/** The clocks of a new tree, before and after it has them. */
export class RestoredClocks {
  /** They go on where the dump found them: expected, until `hasOwnClocks` has told. */
  goOn: boolean

  /** @param saved undefined where the images do not tell */
  constructor(private readonly saved: timens_entry | undefined) {
    this.goOn = saved !== undefined && machineClocks() !== undefined && hasCapability(CAP.SYS_ADMIN) && hasCapability(CAP.SYS_TIME)
  }

  /** Warns where they do not go on. */
  tellJump(): void {
    if (this.saved && !this.goOn)
      log.warn("CLOCK_MONOTONIC and CLOCK_BOOTTIME jump to those of this machine: no time namespace can be made and set")
  }

  /** What a clock shows when the tree begins to run, as near as known, ns. @param clock CLOCK_* number */
  now(clock: number): bigint {
    const moved = MOVED[clock]
    return moved && this.saved && this.goOn ? nanoseconds(this.saved[moved]) : clockNow(clock)
  }
}

/** Whether a process has clocks of its own: offsets that could not be set are those of the tool, to the nanosecond. */
export function hasOwnClocks(pid: number): boolean {
  if (readNamespace(pid, "time") === ownNamespaces().get("time")) return false
  const [ours, theirs] = [readClockOffsetsIfAlive(process.pid), readClockOffsetsIfAlive(pid)]
  return ours?.monotonic !== theirs?.monotonic || ours?.boottime !== theirs?.boottime
}
