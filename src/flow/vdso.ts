import { memoryAt } from "../../ffi/kernel.ts"
import { syscallNumber } from "../../ffi/syscall.ts"
import type { task_kobj_ids_entry } from "../../proto/gen/core_pb.ts"
import type { thread_info_x86 } from "../../proto/gen/core-x86_pb.ts"
import { VMA } from "../../proto/values.ts"
import { CheckpointError } from "../base/errors.ts"
import { logger } from "../base/log.ts"
import { hex, type Range } from "../base/units.ts"
import { redirectVdso, type VdsoTarget } from "../elf/vdso.ts"
import type { ImageSet } from "../image/set.ts"
import { findHole } from "../kinds/memory/holes.ts"
import { type Overlay, withStandIn } from "../kinds/memory/stand-in.ts"
import { isSameShape, savedSpecial, specialMappings } from "../kinds/memory/vdso.ts"
import { type Mapping, readOwnMaps } from "../proc/maps.ts"
import { savedBytes } from "./read-pages.ts"
import { interruptedIn, type Stacked } from "./vdso-frames.ts"

const log = logger("restore")

/** The vdso of this kernel, as this very process has it: every process has the same bytes. */
interface OwnVdso {
  /** The kernel's own mappings, in the order of their addresses. */
  readonly mappings: readonly Mapping[]
  readonly bytes: Uint8Array | undefined
}

function ownVdso(maps: readonly Mapping[]): OwnVdso {
  const mappings = specialMappings(maps)
  const vdso = mappings.find(({ path }) => path === "[vdso]")
  return { mappings, bytes: vdso && memoryAt(Number(vdso.start), Number(vdso.end - vdso.start)).bytes.slice() }
}

const NEXT = "Restore on the kernel that the images were made on"

/** Where the vdso of another kernel stands as plain memory, and what is written over it. */
export interface StandIn extends Range {
  readonly overlays: readonly Overlay[]
}

/** What is needed of a saved process. */
interface Saved extends Stacked {
  readonly threads: readonly { readonly tid: number; readonly info: Pick<thread_info_x86, "gpregs"> }[]
  readonly ids: Pick<task_kobj_ids_entry, "vm_id">
  readonly standIn?: StandIn
}

/** A process whose saved vdso is none of this kernel's. */
interface Foreign<T extends Saved> {
  readonly one: T
  readonly owner: T
  readonly place: Range
  readonly bytes: Uint8Array
}

/** Bytes of the images; undefined where pages are not stored. Damaged images are told by who reads all of them. */
function bytesIfWhole(set: ImageSet, pid: number, place: Range): Buffer | undefined {
  try {
    return savedBytes(set, pid, place)
  } catch (error) {
    if (error instanceof CheckpointError) return undefined
    throw error
  }
}

/**
 * The vdso of a process, if this kernel has another.
 *
 * @param owner the process of the same memory whose pages the images have
 * @returns undefined too where the images do not have its bytes, or no vdso
 */
function foreignVdso<T extends Saved>(set: ImageSet, one: T, owner: T, own: OwnVdso): Foreign<T> | undefined {
  const { vmas } = one.mm
  const [place, ...more] = savedSpecial(vmas).vdso
  if (!place || more.length > 0) return undefined
  const bytes = bytesIfWhole(set, owner.tree.pid, place)
  if (!bytes || (own.bytes && isSameShape(vmas, own.mappings) && bytes.equals(own.bytes))) return undefined
  return { one, owner, place, bytes }
}

/**
 * Nobody can go on in the middle of a function that this kernel has otherwise.
 *
 * @throws CheckpointError E_IMAGE_UNSUPPORTED
 */
function refuseInside(set: ImageSet, { one, owner, place }: Foreign<Saved>): void {
  const { pid } = one.tree
  const dumpAgain = `${NEXT}, or dump again: it is there for less than a microsecond each time`
  for (const { tid, info } of one.threads) {
    const { ip } = info.gpregs
    const found =
      ip >= place.start && ip < place.end
        ? `it was inside the dump's vdso at ${hex(ip)}`
        : interruptedIn(set, owner, info.gpregs.sp, place) && "it is in a signal handler that interrupted the dump's vdso"
    if (found)
      throw new CheckpointError(
        "E_IMAGE_UNSUPPORTED",
        `Cannot restore thread ${tid} of process ${pid} on this kernel`,
        `${found}, and this kernel has another`,
        dumpAgain,
      )
  }
}

/** A process with its old vdso as a stand-in, and this kernel's at another place. @throws CheckpointError E_IMAGE_UNSUPPORTED */
function adopted<T extends Saved>({ one, place, bytes }: Foreign<T>, { mappings, bytes: current }: OwnVdso, at: bigint): T {
  const vdso = mappings.find(({ path }) => path === "[vdso]")
  const address = at + (vdso?.start ?? 0n) - (mappings[0]?.start ?? 0n)
  const target: VdsoTarget = { bytes: current, address, numberOf: syscallNumber }
  const patches = redirectVdso(bytes, target)
  if (typeof patches === "string")
    throw new CheckpointError(
      "E_IMAGE_UNSUPPORTED",
      `Cannot lead calls of process ${one.tree.pid} from the dump's vdso to this kernel's`,
      patches,
      NEXT,
    )
  const vmas = withStandIn(one.mm.vmas, mappings, at)
  const overlays = patches.map(({ offset, code }) => ({ address: place.start + BigInt(offset), bytes: code }))
  return { ...one, mm: { ...one.mm, vmas }, standIn: { ...place, overlays } }
}

/**
 * Processes as they will be on this kernel. Where it has another vdso than the dump's, the old one stays as plain memory whose functions
 * jump to those of this kernel by name, for the program and its libraries keep their addresses; a later dump saves both as they are.
 *
 * @throws CheckpointError E_IMAGE_UNSUPPORTED a thread was inside the old vdso, or nothing can stand in for a function of it
 * Kernel: arch/x86/entry/vdso/vma.c; the special mappings can be moved and unmapped, but not made.
 */
export function adoptVdso<T extends Saved>(set: ImageSet, processes: readonly T[]): T[] {
  const maps = readOwnMaps("[v")
  const own = ownVdso(maps)
  const ownerOf = (one: T): T => processes.find(({ tree, ids }) => ids.vm_id === one.ids.vm_id && set.has("pagemap", tree.pid)) ?? one
  const foreign = new Map(processes.map((one) => [one, foreignVdso(set, one, ownerOf(one), own)]))
  warnVsyscall(processes, maps)
  const sharers = [...foreign.values()].filter((found) => found !== undefined)
  if (sharers.length === 0) return [...processes]
  for (const one of sharers) refuseInside(set, one)
  const [first, last] = [own.mappings[0], own.mappings.at(-1)]
  // One place for all: children are born with the layout of their parents.
  const hole = findHole(
    processes.flatMap(({ mm }) => mm.vmas),
    first && last ? last.end - first.start : 0n,
  )
  log.info(`this kernel has another vdso than that of the dump: calls are led from the old one to the new one at ${hex(hole.start)}`)
  return processes.map((one) => {
    const found = foreign.get(one)
    return found ? adopted(found, own, hole.start) : one
  })
}

/** The page of before the vdso is there or not, by the kernel's command line: nothing can be put in its place. */
function warnVsyscall(processes: readonly Saved[], maps: readonly Mapping[]): void {
  const had = processes.some(({ mm }) => mm.vmas.some(({ status }) => status & VMA.VSYSCALL))
  if (had && !maps.some(({ path }) => path === "[vsyscall]"))
    log.warn(
      "this kernel has no vsyscall page, that of the dump had one: programs from before 2008 that call it end by SIGSEGV (vsyscall=xonly)",
    )
}
