import { MAP, PROT } from "../../../ffi/abi/mman.ts"
import { iovec } from "../../../ffi/abi/ptrace.ts"
import { encode } from "../../../ffi/layout.ts"
import type { vma_entry } from "../../../proto/gen/vma_pb.ts"
import { VMA } from "../../../proto/values.ts"
import type { Mapping } from "../../proc/maps.ts"
import type { Program } from "../../tracee/program.ts"

/**
 * The areas of a process whose kernel had another vdso: the old one becomes memory of its own, where calls still arrive, the old data goes,
 * and the running kernel's mappings stand elsewhere.
 *
 * @param mappings the kernel's own here, behind one another   @param at where the first of them goes
 */
export function withStandIn(vmas: readonly vma_entry[], mappings: readonly Mapping[], at: bigint): vma_entry[] {
  const first = mappings[0]?.start ?? 0n
  const anonymous = { pgoff: 0n, shmid: 0n, flags: MAP.PRIVATE | MAP.ANONYMOUS, fd: -1n }
  const made: vma_entry[] = []
  for (const { start, end, path, read, exec } of mappings) {
    const status = VMA.REGULAR | VMA.ANON_PRIVATE | (path === "[vdso]" ? VMA.VDSO : VMA.VVAR)
    const last = made.at(-1)
    if (last && last.status === status && last.end === at + start - first) last.end = at + end - first
    else
      made.push({
        ...anonymous,
        start: at + start - first,
        end: at + end - first,
        prot: (read ? PROT.READ : 0) | (exec ? PROT.EXEC : 0),
        status,
      })
  }
  const kept = vmas
    .filter(({ status }) => !(status & VMA.VVAR))
    .map((vma) =>
      vma.status & VMA.VDSO
        ? { ...anonymous, start: vma.start, end: vma.end, prot: vma.prot, status: VMA.REGULAR | VMA.ANON_PRIVATE }
        : vma,
    )
  return [...made, ...kept].sort((a, b) => (a.start < b.start ? -1 : 1))
}

/** Bytes that are written over a process's own memory. */
export interface Overlay {
  readonly address: bigint
  readonly bytes: Uint8Array
}

/**
 * Appends the writing of a few bytes into areas that are still writable: the process reads them from itself.
 *
 * Man page: process_vm_readv(2), which needs no right for the caller's own memory. @param pid of the process
 */
export function restoreOverlays(overlays: readonly Overlay[], pid: number, program: Program): void {
  for (const { address, bytes } of overlays) {
    const [to, from] = [address, 0n].map((iov_base) => program.bytes(encode(iovec, { iov_base, iov_len: bytes.length })))
    if (!to || !from) throw new Error("Unreachable: two vectors were made")
    program.point(from, iovec.fields.iov_base[0], program.bytes(bytes))
    program.callWith({ about: "a jump to the vdso of this kernel", returns: bytes.length }, "process_vm_readv", pid, to, 1, from, 1, 0)
  }
}
