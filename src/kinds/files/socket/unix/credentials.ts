import type { stasis_credentials_entry } from "../../../../../proto/gen/stasis_pb.ts"
import type { Restoring } from "../../restoring.ts"

type Asking = Pick<Restoring, "program" | "self" | "isBorn" | "extension">

/**
 * Senders of what was in a socket's queue. One that does not exist is told by the process that fills the queue, with the IDs that it had.
 */
export const sendersOf = (id: number, { extension, self, isBorn }: Asking): stasis_credentials_entry[] | undefined =>
  extension.get(id)?.socket_senders?.senders.map((sender) => (isBorn(sender.pid) ? sender : { ...sender, pid: self.pid }))

/**
 * Appends a call that the kernel notes the caller's IDs of, as who a socket's peer asks for (SO_PEERCRED). The process has its own again
 * afterwards; files are reached with its own meanwhile.
 *
 * @param id of the socket that is told them
 */
export function asPeer(id: number, { program, self, extension }: Asking, call: () => void): void {
  const peer = extension.get(id)?.socket_peer
  if (!peer || (peer.uid === self.euid && peer.gid === self.egid)) {
    call()
    return
  }
  const about = "the peer of a socket"
  program.callWith({ about }, "setresgid", -1, peer.gid, -1)
  program.callWith({ about }, "setresuid", -1, peer.uid, -1)
  program.call("setfsuid", self.uid)
  call()
  program.callWith({ about }, "setresuid", -1, self.euid, -1)
  program.callWith({ about }, "setresgid", -1, self.egid, -1)
}
