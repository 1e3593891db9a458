import { LONGEST_ADDRESS } from "../../../../../ffi/abi/packet.ts"
import { SOCK } from "../../../../../ffi/abi/socket.ts"
import type { packet_ring, packet_sock_entry } from "../../../../../proto/gen/packet-sock_pb.ts"
import type { stasis_file_entry } from "../../../../../proto/gen/stasis_pb.ts"
import { CheckpointError, damagedImage } from "../../../../base/errors.ts"
import { deviceHere, savedName } from "./restore.ts"
import { ringBytes } from "./table.ts"

const TYPES: ReadonlySet<number> = new Set([SOCK.RAW, SOCK.DGRAM, SOCK.PACKET])
/** Most bytes of rings that are taken for true. */
const MOST_RING = 2 ** 40

/** What of an entry no socket can have; undefined when it is well. */
function faultOfPacket({ type, protocol, mclist, rx_ring, tx_ring }: packet_sock_entry): string | undefined {
  if (!TYPES.has(type)) return `it is of type ${type}, known are ${[...TYPES].join(", ")}`
  if (protocol > 0xffff) return `it is of protocol ${protocol}`
  const long = mclist.find(({ addr }) => addr.length > LONGEST_ADDRESS)
  if (long) return `a membership has an address of ${long.addr.length} bytes`
  const isEmpty = (ring: packet_ring | undefined): boolean => ring !== undefined && ringBytes(ring) === 0
  if (isEmpty(rx_ring) || isEmpty(tx_ring)) return "it has a ring of no bytes"
  if (ringBytes(rx_ring, tx_ring) > MOST_RING) return `its rings are of ${ringBytes(rx_ring, tx_ring)} bytes`
  if (type === SOCK.PACKET && (rx_ring ?? tx_ring)) return "it is of SOCK_PACKET and has a ring"
  return undefined
}

/**
 * Checks that an entry fits together, and that this machine has its network devices.
 *
 * @throws CheckpointError E_IMAGE_CORRUPT · E_RESTORE
 */
export function checkPacket(entry: packet_sock_entry, extension: stasis_file_entry | undefined): void {
  const { id, ifindex, mclist } = entry
  const fault = faultOfPacket(entry)
  const action = `Cannot restore packet socket ${id} of files.img`
  if (fault !== undefined) throw damagedImage(action, fault)
  for (const index of new Set([ifindex, ...mclist.map((one) => one.index)]))
    if (index !== 0 && deviceHere(index, extension) === undefined)
      throw new CheckpointError(
        "E_RESTORE",
        action,
        `there is no network device ${savedName(index, extension) === undefined ? `number ${index}` : `"${savedName(index, extension)}"`}`,
        "Make the device, or restore where it is",
      )
}
