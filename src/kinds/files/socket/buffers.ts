import { AF, SO, SOCK, SOL_SOCKET } from "../../../../ffi/abi/socket.ts"
import { existsSync, readFileSync } from "../../../../ffi/fs.ts"
import { allocate, attempt, syscall } from "../../../../ffi/syscall.ts"
import { logger } from "../../../base/log.ts"
import type { Argument, Program } from "../../../tracee/program.ts"

const log = logger("sockets")
const memory = allocate(4096)

/** The two buffers of a socket: the option that anybody may set, that of CAP_NET_ADMIN, and the most that anybody may ask for. */
const BUFFERS = {
  send: { usual: SO.SNDBUF, forced: SO.SNDBUFFORCE, most: "/proc/sys/net/core/wmem_max" },
  receive: { usual: SO.RCVBUF, forced: SO.RCVBUFFORCE, most: "/proc/sys/net/core/rmem_max" },
} as const

let forces: boolean | undefined
/** Whether sizes may be forced on sockets of this network namespace: tried on one of our own. Kernel: net/core/sock.c sk_setsockopt() */
function mayForce(): boolean {
  if (forces !== undefined) return forces
  const socket = syscall("socket", AF.UNIX, SOCK.STREAM | SOCK.CLOEXEC, 0)
  memory.view.setInt32(0, 1 << 16, true)
  forces = attempt("setsockopt", socket, SOL_SOCKET, SO.SNDBUFFORCE, memory.address, 4) === 0
  syscall("close", socket)
  return forces
}

/** What anybody may ask for, bytes; undefined where the kernel does not tell it here. */
const mostOf = (path: string): number | undefined => (existsSync(path) ? Number(readFileSync(path, "latin1")) : undefined)

/**
 * Appends the size of a buffer. Without CAP_NET_ADMIN it is cut to what anybody may ask for.
 *
 * @param bytes half of what the kernel is to have: it doubles what it is told
 * @param cut a word on a size that cannot be had; undefined = it does not matter
 */
export function sizeBuffer(which: keyof typeof BUFFERS, bytes: number, program: Program, fd: Argument, about: string, cut?: string): void {
  const { usual, forced, most } = BUFFERS[which]
  const may = mayForce()
  const limit = may || cut === undefined ? undefined : mostOf(most)
  if (limit !== undefined && bytes > limit) log.warn(`${cut} is cut from ${2 * bytes} to ${2 * limit} bytes: more needs CAP_NET_ADMIN`)
  const value = program.bytes(new Uint8Array(Int32Array.of(bytes).buffer))
  program.callWith({ about }, "setsockopt", fd, SOL_SOCKET, may ? forced : usual, value, 4)
}
