import { AF, SIOC, SOCK } from "../../../../ffi/abi/socket.ts"
import { allocate, attempt, isFailure, syscall } from "../../../../ffi/syscall.ts"

const memory = allocate(4096)
/** Bytes of a device's name, and where its number stands behind it. Header: include/uapi/linux/if.h struct ifreq */
const IFNAMSIZ = 16

/**
 * Asks the kernel about a network device. Any socket will do; one of unix is to be had everywhere.
 *
 * @param request puts into `memory` what is known, as struct ifreq   @returns false when there is none; else the rest stands in `memory`
 * @throws SyscallError EMFILE, ENFILE   Man page: netdevice(7)
 */
function ask(call: number, request: () => void): boolean {
  const fd = syscall("socket", AF.UNIX, SOCK.DGRAM | SOCK.CLOEXEC, 0)
  memory.bytes.fill(0, 0, 64)
  request()
  const answer = attempt("ioctl", fd, call, memory.address)
  syscall("close", fd)
  return !isFailure(answer)
}

/** Number of a network device; undefined when there is none of this name. */
export const deviceNumber = (name: string): number | undefined =>
  ask(SIOC.GIFINDEX, () => memory.bytes.set(Buffer.from(name.slice(0, IFNAMSIZ - 1), "latin1")))
    ? memory.view.getInt32(IFNAMSIZ, true)
    : undefined

/** Name of a network device by its number; undefined when it is gone. */
export const deviceName = (index: number): string | undefined =>
  ask(SIOC.GIFNAME, () => memory.view.setInt32(IFNAMSIZ, index, true))
    ? Buffer.from(memory.bytes.subarray(0, IFNAMSIZ)).toString("latin1").replace(/\0.*$/, "")
    : undefined
