import { capData, capHeader, LINUX_CAPABILITY_VERSION_3 } from "../../ffi/abi/caps.ts"
import { PR, PR_CAP_AMBIENT } from "../../ffi/abi/prctl.ts"
import { encodeInto } from "../../ffi/layout.ts"
import { allocate, attempt } from "../../ffi/syscall.ts"
import { readStatus } from "../proc/status.ts"

const memory = allocate(4096)
const DATA = 64
const HIGHEST = 63

function setCaps(effective: bigint, permitted: bigint, inheritable: bigint): boolean {
  encodeInto(capHeader, memory.bytes, { version: LINUX_CAPABILITY_VERSION_3, pid: 0 })
  for (const half of [0, 1]) {
    const word = (set: bigint): number => Number((set >> BigInt(32 * half)) & 0xffffffffn)
    const part = { effective: word(effective), permitted: word(permitted), inheritable: word(inheritable) }
    encodeInto(capData, memory.bytes, part, DATA + half * capData.size)
  }
  return attempt("capset", memory.address, memory.address + DATA) === 0
}

/**
 * Lets programs that this tool executes have its capabilities: those of its file, or of its user, end with execve otherwise. Disposal takes
 * that back. Nothing is changed for root, and where the kernel does not allow it.
 *
 * Man page: capabilities(7), ambient set
 */
export function lendCapabilities(): Disposable {
  const { uid, capEffective, capPermitted, capInheritable, capAmbient } = readStatus(process.pid)
  const wanted = capPermitted & ~capAmbient
  if (uid.effective === 0 || wanted === 0n || !setCaps(capEffective, capPermitted, capInheritable | wanted))
    return { [Symbol.dispose]() {} }
  for (let cap = 0; cap <= HIGHEST; cap++)
    if ((wanted >> BigInt(cap)) & 1n) attempt("prctl", PR.CAP_AMBIENT, PR_CAP_AMBIENT.RAISE, cap, 0, 0)
  return {
    // What is no longer inheritable is no longer ambient.
    [Symbol.dispose]: () => void setCaps(capEffective, capPermitted, capInheritable),
  }
}
