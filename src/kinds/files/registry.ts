import { O, S_IF } from "../../../ffi/abi/file.ts"
import { fd_types } from "../../../proto/gen/fdinfo_pb.ts"
import { collectBpfMap, isBpfMap, refuseBpfMap } from "./bpf-map/collect.ts"
import { restoreBpfMap } from "./bpf-map/restore.ts"
import type { Found } from "./collecting.ts"
import { collectEpoll, refuseEpoll } from "./epoll/collect.ts"
import { restoreEpoll, watchTargets } from "./epoll/restore.ts"
import { collectEventfd } from "./eventfd/collect.ts"
import { restoreEventfd } from "./eventfd/restore.ts"
import { collectFifo, refuseFifo } from "./fifo/collect.ts"
import { fifoFacts, restoreFifo } from "./fifo/restore.ts"
import { collectMemfd, isMemfd, refuseMemfd } from "./memfd/collect.ts"
import { restoreMemfd } from "./memfd/restore.ts"
import { collectQueue, refuseQueue } from "./mqueue/collect.ts"
import { isHidden, isQueue } from "./mqueue/queue.ts"
import { restoreQueue } from "./mqueue/restore.ts"
import { collectFanotify, refuseFanotify } from "./notify/fanotify/collect.ts"
import { restoreFanotify } from "./notify/fanotify/restore.ts"
import { collectInotify, refuseInotify } from "./notify/inotify/collect.ts"
import { restoreInotify } from "./notify/inotify/restore.ts"
import { collectNamespace, isNamespace, refuseNamespace } from "./nsfs/collect.ts"
import { namespaceFacts, restoreNamespace } from "./nsfs/restore.ts"
import { collectPidfd, isPidfd, refusePidfd } from "./pidfd/collect.ts"
import { restorePidfd } from "./pidfd/restore.ts"
import { collectPipe, isPipe, refusePipe } from "./pipe/collect.ts"
import { restorePipe } from "./pipe/restore.ts"
import { linksTo } from "./refused.ts"
import { collectRegular, isRegular, refuseRegular } from "./regular/collect.ts"
import { isDevice, refuseDevice } from "./regular/device.ts"
import { restoreRegular } from "./regular/restore.ts"
import { type FileRow, fileKind } from "./row.ts"
import { collectSignalfd } from "./signalfd/collect.ts"
import { restoreSignalfd } from "./signalfd/restore.ts"
import { collectInet } from "./socket/inet/collect.ts"
import { restoreInet } from "./socket/inet/restore.ts"
import { isInet, refuseInet } from "./socket/inet/survey.ts"
import { collectNetlink, isNetlink, refuseNetlink } from "./socket/netlink-sk/collect.ts"
import { restoreNetlink } from "./socket/netlink-sk/restore.ts"
import { collectPacket } from "./socket/packet-sk/collect.ts"
import { restorePacket } from "./socket/packet-sk/restore.ts"
import { isPacketSocket, refusePacket } from "./socket/packet-sk/survey.ts"
import { collectUnix } from "./socket/unix/collect.ts"
import { linksOfUnix } from "./socket/unix/relations.ts"
import { finishUnix, restoreUnix } from "./socket/unix/restore.ts"
import { isUnix } from "./socket/unix/scene.ts"
import { refuseUnix } from "./socket/unix/survey.ts"
import { kindOf } from "./stat.ts"
import { collectTimerfd } from "./timerfd/collect.ts"
import { restoreTimerfd, startTimerfd } from "./timerfd/restore.ts"
import { collectTty, isTty, refuseTty } from "./tty/collect.ts"
import { restoreTty } from "./tty/restore.ts"
import { collectTun, isTun, refuseTun } from "./tun/collect.ts"
import { restoreTun, tunFacts } from "./tun/restore.ts"

type Matches = (found: Found) => boolean

/** A kind of file in the file system. What was opened with O_PATH is only a name. */
const isKind =
  (kind: number): Matches =>
  ({ stat, flags }) =>
    kindOf(stat.mode) === kind && (flags & O.PATH) === 0

/** Kinds of open files that are kept. Dump finds a row by `matches`, the first one; restore by `type`. */
export const fileKinds: readonly FileRow[] = [
  fileKind({
    type: fd_types.REG,
    body: "reg",
    matches: isRegular,
    // Message queues look like files to everybody but mq_open(3).
    refuse: (found, surveying) => {
      const isMessages = isQueue(found)
      const reason = isMessages ? refuseQueue(found, surveying) : undefined
      return reason ?? (isMessages && isHidden(found) ? undefined : refuseRegular(found, surveying))
    },
    collect: (file, collecting) => (isQueue(file) && isHidden(file) ? collectQueue : collectRegular)(file, collecting),
    restore: (entry, restoring) =>
      (restoring.extension.get(entry.id)?.queue_inode === undefined ? restoreRegular : restoreQueue)(entry, restoring),
    named: true,
  }),
  fileKind({
    type: fd_types.PIPE,
    body: "pipe",
    matches: isPipe,
    refuse: refusePipe,
    collect: collectPipe,
    restore: restorePipe,
    object: ({ pipe_id }) => `pipe ${pipe_id}`,
  }),
  fileKind({
    type: fd_types.FIFO,
    body: "fifo",
    matches: isKind(S_IF.IFO),
    refuse: refuseFifo,
    collect: collectFifo,
    restore: restoreFifo,
    object: ({ pipe_id }) => `FIFO ${pipe_id}`,
    facts: fifoFacts,
    named: true,
  }),
  fileKind({
    type: fd_types.EVENTFD,
    body: "efd",
    matches: linksTo("anon_inode:[eventfd]"),
    collect: collectEventfd,
    restore: restoreEventfd,
  }),
  fileKind({
    type: fd_types.EVENTPOLL,
    body: "epfd",
    matches: linksTo("anon_inode:[eventpoll]"),
    refuse: refuseEpoll,
    collect: collectEpoll,
    restore: restoreEpoll,
    finish: watchTargets,
  }),
  fileKind({
    type: fd_types.INOTIFY,
    body: "ify",
    matches: linksTo("anon_inode:inotify"),
    refuse: refuseInotify,
    collect: collectInotify,
    restore: restoreInotify,
  }),
  fileKind({
    type: fd_types.FANOTIFY,
    body: "ffy",
    matches: linksTo("anon_inode:[fanotify]"),
    refuse: refuseFanotify,
    collect: collectFanotify,
    restore: restoreFanotify,
  }),
  fileKind({
    type: fd_types.MEMFD,
    body: "memfd",
    matches: isMemfd,
    refuse: refuseMemfd,
    collect: collectMemfd,
    restore: restoreMemfd,
    named: true,
  }),
  fileKind({
    type: fd_types.SIGNALFD,
    body: "sgfd",
    matches: linksTo("anon_inode:[signalfd]"),
    collect: collectSignalfd,
    restore: restoreSignalfd,
  }),
  fileKind({
    type: fd_types.TIMERFD,
    body: "tfd",
    matches: linksTo("anon_inode:[timerfd]"),
    collect: collectTimerfd,
    restore: restoreTimerfd,
    start: startTimerfd,
  }),
  fileKind({
    type: fd_types.NS,
    body: "nsf",
    matches: isNamespace,
    refuse: refuseNamespace,
    collect: collectNamespace,
    restore: restoreNamespace,
    facts: namespaceFacts,
    named: true,
  }),
  fileKind({
    type: fd_types.TUNF,
    body: "tunf",
    matches: isTun,
    refuse: refuseTun,
    collect: collectTun,
    restore: restoreTun,
    facts: tunFacts,
    named: true,
  }),
  fileKind({
    type: fd_types.PIDFD,
    body: "pidfd",
    matches: isPidfd,
    refuse: refusePidfd,
    collect: collectPidfd,
    restore: restorePidfd,
  }),
  fileKind({ type: fd_types.INETSK, body: "isk", matches: isInet, refuse: refuseInet, collect: collectInet, restore: restoreInet }),
  fileKind({
    type: fd_types.NETLINKSK,
    body: "nlsk",
    matches: isNetlink,
    refuse: refuseNetlink,
    collect: collectNetlink,
    restore: restoreNetlink,
  }),
  fileKind({
    type: fd_types.BPFMAP,
    body: "bpf",
    matches: isBpfMap,
    refuse: refuseBpfMap,
    collect: collectBpfMap,
    restore: restoreBpfMap,
    object: ({ map_id }) => `BPF map ${map_id}`,
  }),
  fileKind({
    type: fd_types.PACKETSK,
    body: "psk",
    matches: isPacketSocket,
    refuse: refusePacket,
    collect: collectPacket,
    restore: restorePacket,
  }),
  fileKind({ type: fd_types.TTY, body: "tty", matches: isTty, refuse: refuseTty, collect: collectTty, restore: restoreTty, named: true }),
  fileKind({
    type: fd_types.UNIXSK,
    body: "usk",
    matches: isUnix,
    refuse: refuseUnix,
    collect: collectUnix,
    restore: restoreUnix,
    finish: finishUnix,
    links: linksOfUnix,
  }),
  fileKind({
    type: fd_types.REG,
    body: "reg",
    matches: isDevice,
    refuse: refuseDevice,
    collect: collectRegular,
    restore: restoreRegular,
    named: true,
  }),
]

/** The first row of each type: what images say is restored by it. */
const byType = new Map([...fileKinds].reverse().map((row) => [row.type, row]))

/** The row that restores files of a type; undefined where none does. */
export const rowOfType = (type: fd_types): FileRow | undefined => byType.get(type)
