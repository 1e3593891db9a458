import { AF, SIOC, SOCK } from "../../../../ffi/abi/socket.ts"
import { allocate, attempt, isFailure, syscall } from "../../../../ffi/syscall.ts"

const memory = allocate(4096)
/** Bytes of a device's name, and where its number stands behind it. Header: include/uapi/linux/if.h struct ifreq */
const IFNAMSIZ = 16

/** Number of a network device; undefined when there is none of this name. */
export function deviceNumber(name: string): number | undefined {
  const fd = syscall("socket", AF.INET, SOCK.DGRAM | SOCK.CLOEXEC, 0)
  memory.bytes.fill(0, 0, 64)
  memory.bytes.set(Buffer.from(name.slice(0, IFNAMSIZ - 1), "latin1"))
  const answer = attempt("ioctl", fd, SIOC.GIFINDEX, memory.address)
  syscall("close", fd)
  return isFailure(answer) ? undefined : memory.view.getInt32(IFNAMSIZ, true)
}

/** Name of a network device by its number; undefined when it is gone. */
export function deviceName(index: number): string | undefined {
  const fd = syscall("socket", AF.INET, SOCK.DGRAM | SOCK.CLOEXEC, 0)
  memory.bytes.fill(0, 0, 64)
  memory.view.setInt32(IFNAMSIZ, index, true)
  const answer = attempt("ioctl", fd, SIOC.GIFNAME, memory.address)
  syscall("close", fd)
  if (isFailure(answer)) return undefined
  return Buffer.from(memory.bytes.subarray(0, IFNAMSIZ)).toString("latin1").replace(/\0.*$/, "")
}
