import { RSEQ_ORIGINAL_FEATURES, rseqDescriptor } from "../../../ffi/abi/rseq.ts"
import type { core_entry } from "../../../proto/gen/core_pb.ts"
import type { stasis_thread_entry } from "../../../proto/gen/stasis_pb.ts"
import { TASK, VMA } from "../../../proto/values.ts"
import type { Mapped } from "../../elf/module.ts"
import { type ImageSet, openImages } from "../../image/set.ts"
import { AUXV } from "../../proc/auxv.ts"
import { decodeSection, UNREGISTERED } from "../../rseq/classify.ts"
import { savedRseq } from "../../rseq/image.ts"
import { areaLength } from "../../rseq/inspect.ts"
import type { Section } from "../../rseq/state.ts"
import { savedBytes } from "../read-pages.ts"
import { openPlaces, type Places } from "./place.ts"
import { areaCells, type RseqRow, verdictCells } from "./row.ts"

/** Status bits of areas with a file behind. */
const FILE_AREA = VMA.FILE_PRIVATE | VMA.FILE_SHARED

/** What is needed of one process of a set. */
interface Saved {
  readonly set: ImageSet
  readonly pid: number
  readonly places: Places
  readonly featureSize: number
}

/**
 * The rseq state of every thread in a set of images. Our own sets say what was found at the freeze; those of other programs only
 * what is to be registered, and whether a section goes on ("no-restart"), else "registered".
 *
 * @throws CheckpointError E_IMAGE_MISSING · E_IMAGE_CORRUPT · E_IMAGE_VERSION
 */
export function inspectImages(directory: string): RseqRow[] {
  const set = openImages(directory)
  const paths = new Map(set.optional("files").flatMap(({ id, reg }) => (reg ? [[id, reg.name] as const] : [])))
  return set.all("pstree").flatMap(({ pid, threads }) => {
    const leader = set.one("core", pid)
    if (leader.tc?.task_state === TASK.DEAD || !set.has("mm", pid)) return []
    const { vmas, mm_saved_auxv } = set.one("mm", pid)
    const mappings = vmas.map(
      ({ start, end, pgoff, shmid, status }): Mapped => ({
        start,
        end,
        offset: pgoff,
        path: status & FILE_AREA ? (paths.get(Number(shmid)) ?? "") : "",
      }),
    )
    using places = openPlaces(mappings, ({ path }) => [path])
    const feature = mm_saved_auxv.findIndex((word, index) => index % 2 === 0 && word === AUXV.RSEQ_FEATURE_SIZE)
    const featureSize = feature < 0 ? RSEQ_ORIGINAL_FEATURES : Number(mm_saved_auxv[feature + 1])
    const own = set.optional("stasis-core", pid)[0]?.threads
    return threads.map((tid) =>
      rowOf(
        { set, pid, places, featureSize },
        tid,
        tid === pid ? leader : set.one("core", tid),
        own?.find((entry) => entry.tid === tid),
      ),
    )
  })
}

function rowOf(saved: Saved, tid: number, core: core_entry, own: stasis_thread_entry | undefined): RseqRow {
  const { set, pid, places, featureSize } = saved
  const registration = savedRseq(core.thread_core?.rseq_entry)
  const area = own?.rseq_area ?? (registration && readPages(set, pid, registration.abiPointer, areaLength(registration.abiSize)))
  const rseqCs = own ? (own.rseq_cs ?? 0n) : registration?.rseqCs
  const section = rseqCs ? readSection(saved, rseqCs) : undefined
  const ip = own?.frozen_ip ?? core.thread_info?.gpregs.ip
  return {
    pid,
    tid,
    name: (tid === pid ? core.tc?.comm : undefined) ?? core.thread_core?.comm ?? "",
    found: registration ? (own?.rseq_discovery ?? "images") : null,
    address: registration?.abiPointer ?? null,
    size: registration?.abiSize ?? null,
    signature: registration?.signature ?? null,
    ...areaCells(area, featureSize),
    ...(rseqCs === undefined || !registration ? {} : { rseqCs }),
    ...verdictCells({ ...UNREGISTERED, section }, places.of),
    class: own?.rseq_class ?? (registration ? (registration.rseqCs ? "no-restart" : "registered") : "unregistered"),
    ip: ip === undefined ? null : places.of(ip),
  }
}

/** A descriptor lies in a relocated page, which is in the set, or unchanged in its file, which is looked for on this machine. */
function readSection({ set, pid, places }: Saved, pointer: bigint): Section | undefined {
  const bytes = readPages(set, pid, pointer, rseqDescriptor.size) ?? places.read(pointer, rseqDescriptor.size)
  return bytes && decodeSection(pointer, bytes)
}

const readPages = (set: ImageSet, pid: number, start: bigint, length: number): Uint8Array | undefined =>
  savedBytes(set, pid, { start, end: start + BigInt(length) })
