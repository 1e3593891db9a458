import { MAP } from "../../../ffi/abi/mman.ts"
import type { fdinfo_entry, file_entry } from "../../../proto/gen/fdinfo_pb.ts"
import type { vma_entry } from "../../../proto/gen/vma_pb.ts"
import { VMA } from "../../../proto/values.ts"
import { damagedImage } from "../../base/errors.ts"
import { hex } from "../../base/units.ts"
import type { Mapping } from "../../proc/maps.ts"
import type { Program } from "../../tracee/program.ts"
import { restoreAdvice } from "./advice.ts"

/** Whether a socket is mapped: a packet socket with its rings, or a connection that is read so. */
export const isSocketMapping = ({ path }: Pick<Mapping, "path">): boolean => path.startsWith("socket:[")

/** True for a saved area that shows the rings of a packet socket. */
const isPacketRing = ({ status }: Pick<vma_entry, "status">): boolean => (status & VMA.SOCKET) !== 0

/** Descriptor of a process by which its rings can be mapped. */
const numberOf = ({ shmid }: vma_entry, fdinfos: readonly fdinfo_entry[]): number | undefined =>
  fdinfos.find(({ id }) => BigInt(id) === shmid)?.fd

/** Checks that the areas of a process which show rings lead to packet sockets that it has open. @throws CheckpointError E_IMAGE_CORRUPT */
export function checkPacketRings(
  pid: number,
  vmas: readonly vma_entry[],
  { fdinfos, files }: { readonly fdinfos: readonly fdinfo_entry[]; readonly files: ReadonlyMap<number, file_entry> },
): void {
  for (const vma of vmas.filter(isPacketRing))
    if (!files.get(Number(vma.shmid))?.psk || numberOf(vma, fdinfos) === undefined)
      throw damagedImage(
        `Cannot restore process ${pid}`,
        `the area at ${hex(vma.start)} shows file ${vma.shmid}, which is no packet socket that it has open`,
      )
}

/**
 * Appends the mappings of packet sockets' rings. Mirror: ./collect.ts
 *
 * Precondition: the descriptors of the process stand at their numbers. Man page: packet(7). Kernel: packet_mmap() takes whole rings alone.
 */
export function restorePacketRings(vmas: readonly vma_entry[], fdinfos: readonly fdinfo_entry[], program: Program): void {
  for (const vma of vmas.filter(isPacketRing)) {
    const { start, end, prot } = vma
    const about = `VMA ${hex(start)}-${hex(end)}, rings of a packet socket`
    const fd = numberOf(vma, fdinfos)
    if (fd === undefined) throw new Error(`Unreachable: file ${vma.shmid} was checked`)
    program.callWith({ about }, "mmap", start, end - start, prot, MAP.SHARED | MAP.FIXED_NOREPLACE, fd, 0)
    restoreAdvice(vma, program)
  }
}
