import { AT, O } from "../../../ffi/abi/file.ts"
import { attempt, isFailure } from "../../../ffi/syscall.ts"
import { type FileMapping, lendMapped } from "./mapped.ts"
import { lowerStamp } from "./overlay.ts"
import { layPath } from "./path.ts"

const openToRead = (link: string): number | undefined => {
  const fd = attempt("openat", AT.FDCWD, layPath(link), O.RDONLY | O.NONBLOCK | O.CLOEXEC, 0)
  return isFailure(fd) ? undefined : fd
}

/** Mapped files of which overlayfs has, or may have, an older copy in a lower layer: see src/kinds/memory/stale.ts. */
export const lowerFiles = {
  stamp: (pid: number, mapping: FileMapping): string | undefined => lendMapped(pid, mapping, lowerStamp),
  open: (pid: number, mapping: FileMapping): number | undefined => lendMapped(pid, mapping, openToRead),
}
