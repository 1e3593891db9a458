import { F, O } from "../../ffi/abi/file.ts"
import { closeSync } from "../../ffi/fs.ts"
import { allocate, syscall } from "../../ffi/syscall.ts"

const ends = allocate(8)

/**
 * A pipe into which nobody writes, but for `tell`. Its other end is in this tool alone, and closes when the tool ends, however it ends: by
 * that a child learns of it. Disposal, which may be repeated, closes what is open here.
 */
export interface Leash extends Disposable {
  /** The descriptor that children inherit: a read answers 0 when the leash is gone. */
  readonly end: number
  /** Closes the children's end here, so that no more of them inherit it. */
  hand(): void
  /** Lets one who waits read a byte. @throws SyscallError EPIPE nobody is there */
  tell(): void
}

/** @throws SyscallError EMFILE, ENFILE */
export function openLeash(): Leash {
  syscall("pipe2", ends.address, O.CLOEXEC)
  const [end, ours] = [ends.view.getInt32(0, true), ends.view.getInt32(4, true)]
  const open = new Set([end, ours])
  const close = (fd: number): void => {
    if (open.delete(fd)) closeSync(fd)
  }
  syscall("fcntl", end, F.SETFD, 0)
  return {
    end,
    hand: () => close(end),
    tell: () => void syscall("write", ours, ends.address, 1),
    [Symbol.dispose]() {
      close(end)
      close(ours)
    },
  }
}
