import { AF, IPPROTO } from "../../../../../ffi/abi/socket.ts"
import type { inet_sk_entry } from "../../../../../proto/gen/sk-inet_pb.ts"
import type { stasis_file_entry } from "../../../../../proto/gen/stasis_pb.ts"
import { CheckpointError, damagedImage } from "../../../../base/errors.ts"
import { deviceNumber } from "../device.ts"
import { addressLength } from "./address.ts"
import { inetText, isConnection } from "./entry.ts"
import { missingDevice } from "./multicast.ts"

/** How connections come back. */
export interface InetOptions {
  readonly tcpEstablished: boolean
  readonly tcpClose: boolean
}

const BACKLOG_MOST = 0x7fffffff
const PORT_MOST = 0xffff

const corrupt = (id: number, found: string): CheckpointError => damagedImage(`Cannot restore socket ${id}`, found)

/** Checks that an entry fits together, and that this machine and the options have what it needs. @throws CheckpointError */
export function checkInet(entry: inet_sk_entry, { tcpEstablished, tcpClose }: InetOptions, extension?: stasis_file_entry): void {
  const { id, family, src_addr, dst_addr, src_port, dst_port, backlog, ifname, proto } = entry
  if (family !== AF.INET && family !== AF.INET6) throw corrupt(id, `it is of family ${family}, known are ${AF.INET} and ${AF.INET6}`)
  const words = addressLength(family) / 4
  if (src_addr.length !== words || (dst_addr.length !== words && dst_addr.length !== 0))
    throw corrupt(id, `its addresses have ${src_addr.length} and ${dst_addr.length} words, not ${words}`)
  if (src_port > PORT_MOST || dst_port > PORT_MOST) throw corrupt(id, `it has port ${Math.max(src_port, dst_port)}`)
  if (backlog > BACKLOG_MOST) throw corrupt(id, `its backlog is ${backlog}`)
  const foreign = extension?.multicast?.memberships.find(({ group, sources }) =>
    [group, ...sources].some(({ length }) => length !== 4 && length !== 16),
  )
  if (foreign) throw corrupt(id, `it is a member of a group whose address has ${foreign.group.length} bytes`)
  const missing = extension?.multicast && missingDevice(extension.multicast)
  const lacking = ifname !== undefined && deviceNumber(ifname) === undefined ? ifname : missing
  if (lacking !== undefined)
    throw new CheckpointError(
      "E_RESTORE",
      `Cannot restore ${inetText(entry)}`,
      `there is no network device "${lacking}"`,
      "Make the device, or restore where it is",
    )
  if (proto === IPPROTO.MPTCP)
    throw new CheckpointError("E_IMAGE_UNSUPPORTED", `Cannot restore socket ${id}`, "it is of MPTCP", "Start the program without MPTCP")
  if (!isConnection(entry) || tcpEstablished || tcpClose) return
  throw new CheckpointError(
    "E_USAGE",
    `Cannot restore ${inetText(entry)}`,
    "it is a TCP connection",
    "Use --tcp-established to have it go on, or --tcp-close to have it closed",
  )
}
