import { O } from "../../../../ffi/abi/file.ts"
import { TTY_IOCTL } from "../../../../ffi/abi/tty.ts"
import { allocate, attempt, isFailure, syscall } from "../../../../ffi/syscall.ts"

const memory = allocate(4096)

type Request = keyof typeof TTY_IOCTL

/**
 * A terminal's answer that is a struct; undefined when it does not answer: one that was hung up answers EIO to everything. Valid until the
 * next question.
 */
export const askBytes = (fd: number, request: Request): Uint8Array | undefined =>
  isFailure(attempt("ioctl", fd, TTY_IOCTL[request], memory.address)) ? undefined : memory.bytes

/** A terminal's answer that is a number; undefined when it does not answer. */
export const askNumber = (fd: number, request: Request): number | undefined =>
  askBytes(fd, request) ? memory.view.getInt32(0, true) : undefined

/** Gives a terminal of our own a struct. @throws SyscallError */
export function tell(fd: number, request: Request, bytes: Uint8Array): void {
  memory.bytes.set(bytes)
  syscall("ioctl", fd, TTY_IOCTL[request], memory.address)
}

/** The same with a number. @throws SyscallError */
export const tellNumber = (fd: number, request: Request, value: number): void =>
  tell(fd, request, new Uint8Array(new Int32Array([value]).buffer))

/** Opens the other end of a master of our own; it must be unlocked. @throws SyscallError EIO it is locked */
export const openPeer = (master: number, flags: number = O.RDWR): number =>
  syscall("ioctl", master, TTY_IOCTL.TIOCGPTPEER, flags | O.NOCTTY | O.CLOEXEC)
