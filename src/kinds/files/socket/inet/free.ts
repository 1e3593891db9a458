import { IP, IPV6 } from "../../../../../ffi/abi/ip.ts"
import { AF, IPPROTO, SO, SOCK, SOL_SOCKET } from "../../../../../ffi/abi/socket.ts"
import { closeSync } from "../../../../../ffi/fs.ts"
import { allocate, attempt, errnoName, isFailure } from "../../../../../ffi/syscall.ts"
import type { inet_sk_entry } from "../../../../../proto/gen/sk-inet_pb.ts"
import type { stasis_file_entry } from "../../../../../proto/gen/stasis_pb.ts"
import { CheckpointError } from "../../../../base/errors.ts"
import type { GivenFd } from "../../external.ts"
import type { FileImages } from "../../images.ts"
import { offerOption } from "../ask.ts"
import { bytesOfWords } from "./address.ts"
import { boundPort, inetText, isConnection, sockaddrIn } from "./entry.ts"

const memory = allocate(4096)

/** What bind(2) answers when the place of a socket is not to be had, and what that means for its restore. */
const LACKS = {
  EADDRINUSE: {
    found: "another program uses the address of one of its sockets",
    next: "End that program (ss -tulnp names it), or wait until a connection that lingers is gone (ss -tan shows it), then restore again",
  },
  EADDRNOTAVAIL: {
    found: "this machine lacks the address of one of its sockets",
    next: "Give the address to a device, then restore again",
  },
  EACCES: {
    found: "its port is kept for root (CAP_NET_BIND_SERVICE, or net.ipv4.ip_unprivileged_port_start)",
    next: "Restore as root, or lower net.ipv4.ip_unprivileged_port_start",
  },
} as const

/** A refused bind(2), told as what it means; undefined for an errno that means something else. */
export function refusedBind(action: string, errno: string, cause?: unknown): CheckpointError | undefined {
  if (!(errno in LACKS)) return undefined
  const { found, next } = LACKS[errno as keyof typeof LACKS]
  return new CheckpointError("E_RESTORE", action, found, next, cause)
}

/** Sets the options that decide whether an address is free. One that is refused here is named when the restored process sets it. */
function tellWhatBinds(fd: number, { family, v6only, ip_opts, opts, type }: inet_sk_entry, extension: stasis_file_entry | undefined): void {
  const isSix = family === AF.INET6
  offerOption(fd, SOL_SOCKET, SO.REUSEADDR, 1)
  if (opts.so_reuseport) offerOption(fd, SOL_SOCKET, SO.REUSEPORT, 1)
  if (opts.so_bound_dev) offerOption(fd, SOL_SOCKET, SO.BINDTODEVICE, Buffer.from(`${opts.so_bound_dev}\0`))
  if (isSix && v6only !== undefined && type !== SOCK.RAW) offerOption(fd, IPPROTO.IPV6, IPV6.V6ONLY, v6only ? 1 : 0)
  if (ip_opts?.freebind) isSix ? offerOption(fd, IPPROTO.IPV6, IPV6.FREEBIND, 1) : offerOption(fd, IPPROTO.IP, IP.FREEBIND, 1)
  for (const { level, name, value } of extension?.socket_options?.options ?? [])
    if (level === IPPROTO.IP || level === IPPROTO.IPV6) offerOption(fd, level, name, value)
}

/** Why a socket cannot have its address here and now: one of ours takes it for a moment, as the restored one will. It does not listen. */
function takenAddress(entry: inet_sk_entry, extension: stasis_file_entry | undefined): CheckpointError | undefined {
  const { family, type, proto } = entry
  const port = boundPort(entry)
  // A connection is bound in repair mode, which takes any address.
  if (isConnection(entry) || port === undefined) return undefined
  const fd = attempt("socket", family, type | SOCK.CLOEXEC, proto)
  if (isFailure(fd)) return undefined
  try {
    tellWhatBinds(fd, entry, extension)
    const sockaddr = sockaddrIn(entry, bytesOfWords(entry.src_addr), port)
    memory.bytes.set(sockaddr)
    const answer = attempt("bind", fd, memory.address, sockaddr.length)
    return isFailure(answer) ? refusedBind(`Cannot restore ${inetText(entry)}`, errnoName(-answer)) : undefined
  } finally {
    closeSync(fd)
  }
}

/**
 * Why sockets of the internet cannot have their addresses here and now.
 *
 * @param given descriptors that stand for files of the set   @returns one error a socket, E_RESTORE; no socket of ours is left open
 * Man page: bind(2), socket(7) SO_REUSEADDR
 */
export function takenAddresses(
  { files, extension }: Pick<FileImages, "files" | "extension">,
  given: ReadonlyMap<number, GivenFd>,
): CheckpointError[] {
  const sockets = [...files.values()].flatMap(({ id, isk }) => (isk && !given.has(id) ? [isk] : []))
  const more = new Map(sockets.length > 0 ? extension.map((one) => [one.id, one]) : [])
  return sockets.flatMap((entry) => takenAddress(entry, more.get(entry.id)) ?? [])
}
