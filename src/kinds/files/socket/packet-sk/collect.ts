import { PACKET, PDI, SOL_PACKET } from "../../../../../ffi/abi/packet.ts"
import type { packet_sock_entry } from "../../../../../proto/gen/packet-sock_pb.ts"
import type { Collecting, OpenFile } from "../../collecting.ts"
import { askNumber } from "../ask.ts"
import { collectBeyond } from "../beyond.ts"
import { deviceName } from "../device.ts"
import { collectSocketOptions } from "../options.ts"
import { lossesOf } from "./survey.ts"
import { ringBytes } from "./table.ts"

/** Protocols stand in network order in images, as socket(2) takes them. */
export const swapped = (protocol: number): number => ((protocol & 0xff) << 8) | ((protocol >> 8) & 0xff)

/** A packet socket -> its entry; names of devices and what has no field go to the extension. Mirror: ./restore.ts. Man page: packet(7) */
export function collectPacket(
  { id, fd, flags, owner, stat, socket }: OpenFile,
  { copies, extension, packetSockets, losses, table }: Pick<Collecting, "copies" | "extension" | "packetSockets" | "losses" | "table">,
): packet_sock_entry {
  const known = packetSockets.get(stat.ino)
  if (!socket || !known) throw new Error(`Unreachable: fd ${fd} was refused`)
  const { info, rx, tx, members, fanout, protocol } = known
  const is = (flag: number): boolean => (info.pdi_flags & flag) !== 0
  const found = copies.lend(fd, (copy) => ({
    opts: collectSocketOptions(copy),
    options: collectBeyond(copy, socket),
    // The table lacks the flags of the group.
    group: (askNumber(copy, SOL_PACKET, PACKET.FANOUT) ?? 0) >>> 0,
  }))
  if (!found) throw new Error(`Unreachable: fd ${fd} is open`)
  const devices = [...new Set([info.pdi_index, ...members.map(({ index }) => index)])].flatMap((index) => {
    const name = index === 0 ? undefined : deviceName(index)
    return name === undefined ? [] : [{ index, name }]
  })
  const { options } = found
  if (options.length > 0 || devices.length > 0)
    extension.push({
      id,
      ...(options.length > 0 ? { socket_options: { options } } : {}),
      ...(devices.length > 0 ? { packet_devices: { devices } } : {}),
    })
  losses.push(...lossesOf(known, `fd ${fd}`))
  table.notePacketRings(stat.ino, { id, bytes: ringBytes(rx, tx) })
  return {
    id,
    type: socket.type,
    protocol: swapped(protocol),
    flags,
    ifindex: info.pdi_index,
    fown: owner,
    opts: found.opts,
    version: info.pdi_version,
    reserve: info.pdi_reserve,
    aux_data: is(PDI.AUXDATA),
    orig_dev: is(PDI.ORIGDEV),
    vnet_hdr: is(PDI.VNETHDR),
    loss: is(PDI.LOSS),
    timestamp: info.pdi_tstamp,
    copy_thresh: info.pdi_copy_thresh,
    mclist: [...members],
    ...(fanout === undefined ? {} : { fanout: found.group }),
    ...(rx ? { rx_ring: rx } : {}),
    ...(tx ? { tx_ring: tx } : {}),
  }
}
