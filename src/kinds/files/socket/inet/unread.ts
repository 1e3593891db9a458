import { FIONREAD } from "../../../../../ffi/abi/file.ts"
import { MSG } from "../../../../../ffi/abi/socket.ts"
import { allocate, attempt, errnoName } from "../../../../../ffi/syscall.ts"
import { CheckpointError } from "../../../../base/errors.ts"
import { eventsOf, POLL } from "../../poll.ts"
import { askCount } from "../ask.ts"
import type { DiagSocket } from "../diag.ts"
import { hasGotFin } from "./stream.ts"

const memory = allocate(4096)

/** True when urgent data was announced, and has not come yet. */
function isUrgentDue(fd: number): boolean {
  const answer = attempt("recvfrom", fd, memory.address, 1, MSG.OOB | MSG.PEEK | MSG.DONTWAIT, 0, 0)
  return answer < 0 && errnoName(-answer) === "EAGAIN"
}

/**
 * Refuses a connection with urgent data in what its program has still to read, also where the urgent byte itself was read before the
 * others: the kernel shows neither its place nor, where it stands apart, what came behind it.
 *
 * @param table what the kernel's table said while the program was stopped: its count goes beyond the urgent byte, that of ioctl(2) does not
 * @throws CheckpointError E_UNSUPPORTED. Kernel: net/ipv4/tcp.c tcp_inq(), tcp_recv_urg(), tcp_poll()
 */
export function refuseUrgent(fd: number, { state, received }: DiagSocket, where: string): void {
  const end = hasGotFin(state) && received > 0 ? 1 : 0
  const isAhead = (eventsOf(fd, POLL.PRI) & POLL.PRI) !== 0 || received - end > askCount(fd, FIONREAD)
  if (!isAhead && !isUrgentDue(fd)) return
  throw new CheckpointError(
    "E_UNSUPPORTED",
    "Cannot read the queue of a TCP connection",
    `${where} has urgent data (MSG_OOB) in it, which the program has not read past yet`,
    "Let the program read on, past its urgent data, then dump again; or use --tcp-close",
  )
}

/** Refuses a connection that has ended, with bytes that its program has still to read: it cannot be made again. @throws CheckpointError */
export function refuseRest(fd: number, where: string): void {
  const bytes = askCount(fd, FIONREAD)
  if (bytes === 0) return
  throw new CheckpointError(
    "E_UNSUPPORTED",
    "Cannot keep a TCP connection that has ended",
    `${where} has ${bytes} bytes that came before, which the program has not read yet`,
    "Let the program read them or close the socket, then dump again; or use --tcp-close, which loses them",
  )
}

/** A connection that has ended by an error of which the program has not been told. */
export const hasUntoldError = (fd: number): boolean => (eventsOf(fd, POLL.ERR) & POLL.ERR) !== 0
