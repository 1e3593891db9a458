import { PACKET_FANOUT } from "../../../../../ffi/abi/packet.ts"
import { AF } from "../../../../../ffi/abi/socket.ts"
import type { Found, Reason, Surveying } from "../../collecting.ts"
import { GONE, type PacketSocket } from "./table.ts"

/** Whether a descriptor leads to a packet socket, of whatever type. */
export const isPacketSocket = ({ socket }: Pick<Found, "socket">): boolean => socket?.family === AF.PACKET

/** Ways to share packets that run a program, which nobody can read. */
const RUNS_PROGRAM: ReadonlySet<number> = new Set(Object.values(PACKET_FANOUT))

/** What of a packet socket cannot be kept. */
export function refusePacket(
  { target, stat }: Pick<Found, "target" | "stat">,
  { packetSockets }: Pick<Surveying, "packetSockets">,
): Reason | undefined {
  const found = packetSockets.get(stat.ino)
  if (!found)
    return {
      what: `a packet socket that the kernel tells nothing of ("${target}")`,
      remedy: "Load packet_diag (CONFIG_PACKET_DIAG), or let the program close it before the dump",
    }
  if (found.info.pdi_index === GONE)
    return { what: `a packet socket whose network device has gone ("${target}")`, remedy: "Let the program close it before the dump" }
  if (found.fanout !== undefined && RUNS_PROGRAM.has((found.fanout >>> 16) & 0xff))
    return {
      what: `a packet socket whose fanout runs a program, which nobody can read ("${target}")`,
      remedy:
        "Let the program share its packets by another way than PACKET_FANOUT_CBPF and PACKET_FANOUT_EBPF, or close it before the dump",
    }
  return undefined
}

/** What is lost of a packet socket although it is kept, for people. */
export function lossesOf({ rx, tx, queued }: PacketSocket, where: string): string[] {
  const begins = "the kernel begins at its first frame again, and a program that is at another one waits until it has come round"
  return [
    ...(queued > 0 ? [`packets that a packet socket had not read yet (${where}, ${queued} bytes of the kernel's)`] : []),
    ...((rx ?? tx) ? [`frames in the ring of a packet socket (${where}): ${begins}`] : []),
  ]
}
