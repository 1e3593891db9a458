import { TTY_IOCTL } from "../../../ffi/abi/tty.ts"
import { withoutHangup } from "../../../ffi/interrupt.ts"
import { allocate, attempt, syscall } from "../../../ffi/syscall.ts"
import { TtyType } from "../../../proto/gen/tty_pb.ts"
import { CheckpointError } from "../../base/errors.ts"
import { logger } from "../../base/log.ts"
import { inheritedTerminal } from "../../kinds/files/tty/restore.ts"
import type { SavedTree } from "../images.ts"

const log = logger("terminals")
const memory = allocate(4096)

/** A session of the images whose leader takes the terminal that we run on, as with a shell that was dumped itself. */
function sessionToControl({ root, processes }: SavedTree): number | undefined {
  const sid = inheritedTerminal(root.files.ttyInfos)?.sid
  return processes.find(({ tree }) => tree.pid === sid && tree.sid === sid)?.tree.sid
}

/** Leader of the session that a terminal controls, if that is ours; undefined otherwise. Man page: TIOCGSID in ioctl_tty(2) */
const ownSession = (terminal: number): number | undefined =>
  attempt("ioctl", terminal, TTY_IOCTL.TIOCGSID, memory.address) < 0 ? undefined : memory.view.getInt32(0, true)

/** A process of a session that has /dev/tty open: that leads to the terminal that controls it, or cannot be opened. */
const hasCurrent = ({ root: { files }, processes }: SavedTree, sid: number): number | undefined =>
  processes.find(
    ({ tree, files: { fdinfos } }) =>
      tree.sid === sid &&
      fdinfos.some(({ id }) => {
        const info = files.ttyInfos.find((one) => one.id === files.files.get(id)?.tty?.tty_info_id)
        return info?.type === TtyType.CTTY
      }),
  )?.tree.pid

const NEXT =
  'Make stasis the first program of a terminal, as tmux new-window "stasis restore -j ..." and ssh -t HOST stasis restore -j ... do: it gives that one up'

/**
 * Looks whether the terminal that we run on can control a session of the images: not while it controls another one, as that of the shell
 * that we were called from. That which we lead ourselves can be given up for it.
 *
 * @param terminal descriptor of that terminal; undefined without one
 * @returns whether `giveUpTerminal` has to make way   @throws CheckpointError E_RESTORE a program that has /dev/tty open is not controlled
 */
export function checkControl(saved: SavedTree, terminal: number | undefined): boolean {
  const sid = sessionToControl(saved)
  const leader = sid === undefined || terminal === undefined ? undefined : ownSession(terminal)
  if (sid === undefined || leader === undefined) return false
  if (leader === process.pid) return true
  const found = `the terminal of stasis controls the session of process ${leader}, and not that of process ${sid}`
  const pid = hasCurrent(saved, sid)
  if (pid !== undefined) throw new CheckpointError("E_RESTORE", `Cannot restore terminal /dev/tty of task ${pid}`, found, NEXT)
  log.warn(`${found}: ^C, ^Z and job control do not reach it. ${NEXT}`)
  return false
}

/**
 * Gives up the terminal that controls the session that we lead, for another session to take it. Disposal takes it back, where it still can.
 *
 * @returns `keep` leaves it to whoever has it
 * Kernel: drivers/tty/tty_jobctrl.c disassociate_ctty()
 */
export function giveUpTerminal(terminal: number): Disposable & { keep(): void } {
  withoutHangup(() => syscall("ioctl", terminal, TTY_IOCTL.TIOCNOTTY))
  let isKept = false
  return {
    keep() {
      isKept = true
    },
    [Symbol.dispose]() {
      if (!isKept) attempt("ioctl", terminal, TTY_IOCTL.TIOCSCTTY, 0)
    },
  }
}
