import { F } from "../../../ffi/abi/file.ts"
import { IPPROTO, SO, SOL_SOCKET, TCP, TCP_REPAIR } from "../../../ffi/abi/socket.ts"
import { pause } from "../../../ffi/interrupt.ts"
import { attempt, syscall } from "../../../ffi/syscall.ts"
import type { inet_sk_entry } from "../../../proto/gen/sk-inet_pb.ts"
import { LOCK_METHOD } from "../../../proto/values.ts"
import { CheckpointError } from "../../base/errors.ts"
import { logger } from "../../base/log.ts"
import type { ImageSet } from "../../image/set.ts"
import { tellOption } from "../../kinds/files/socket/ask.ts"
import { lockConnections, lostOnTheWay, optionCall, stayingTables, type Tables } from "../../kinds/files/socket/inet/connections.ts"
import { inetText } from "../../kinds/files/socket/inet/entry.ts"
import { endsOf } from "../../kinds/files/socket/inet/restore-stream.ts"
import { askTcp } from "../../kinds/files/socket/inet/tcp-info.ts"
import type { GuardCall } from "../../tracee/guard.ts"
import { roomForDescriptors } from "../../tracee/own-limit.ts"
import { checkInterrupt, deadlineIn } from "../../tracee/wait.ts"
import { hasStream } from "../connections.ts"
import type { RestoreOptions } from "../options.ts"
import { type FileTree, lendFiles } from "./lend-files.ts"

const log = logger("connections")
/** Seconds that the kernel may take to bring a connection into its state. */
const PATIENCE = 5

/**
 * Connections of a new tree on their way back. Its threads must not run while a socket is in repair mode, in which calls on it fail; and a
 * peer must not hear of a tree that may still be killed. So repair mode ends first, unheard, while a guard would begin it again; then the
 * guard would let packets pass, and we do.
 */
export interface ReadyConnections extends Disposable {
  /** Descriptors that the guard needs: while it has that of the table, packets are held off. */
  readonly keeps: readonly number[]
  /** What makes the connections die unheard, before their processes are killed. */
  readonly silence: readonly GuardCall[]
  /** Ends repair mode. Precondition: a guard stands that would do `silence`. @throws SyscallError */
  endRepair(): void
  /** What a guard does in the place of `release`. */
  readonly releasing: readonly GuardCall[]
  /** Lets packets pass, by the table that the dump left too, and tells the peers. What fails is a warning: the tree is about to run. */
  release(): void
}

/** TCP connections of a restore: held off until they are let go. Disposal lets packets pass. */
export interface RestoredConnections extends Disposable {
  /**
   * Waits until each is in its state, which nobody learns of yet.
   *
   * @returns undefined when there are none
   * @throws CheckpointError E_RESTORE one does not come into its state · E_INTERRUPTED · SyscallError
   * Precondition: every socket stands at its number in a process that is stopped.
   */
  makeReady(): ReadyConnections | undefined
}

const connectionsOf = ({ root }: FileTree): inet_sk_entry[] =>
  [...root.files.files.values()].filter(hasStream).flatMap(({ isk }) => (isk && root.files.tcpStreams.has(isk.ino) ? [isk] : []))

const lockMethodOf = ({ inventory }: ImageSet): number => inventory.network_lock_method ?? LOCK_METHOD.IPTABLES

/** Warns of rules that CRIU's dump left, and stasis does not remove, and of what a dump without any lost. */
export function tellConnections(set: ImageSet, saved: FileTree): void {
  const all = connectionsOf(saved)
  const { tcpStreams } = saved.root.files
  const read = all.flatMap((entry) => {
    const stream = tcpStreams.get(entry.ino)
    return stream ? [{ ends: endsOf(entry), queues: stream.message }] : []
  })
  for (const loss of lostOnTheWay(read)) log.warn(`the dump lost ${loss}`)
  if (all.length > 0 && lockMethodOf(set) === LOCK_METHOD.IPTABLES)
    log.warn("CRIU held the connections off with iptables: remove its rules, or dump with --network-lock nftables")
}

/**
 * Holds the connections of a set off, from before there is anything that could answer: none with --network-lock skip.
 *
 * @throws CheckpointError E_KERNEL there is no nf_tables · E_PERMISSION
 */
export function holdConnections(set: ImageSet, saved: FileTree, { networkLock }: Pick<RestoreOptions, "networkLock">): RestoredConnections {
  const all = connectionsOf(saved)
  const method = lockMethodOf(set)
  tellConnections(set, saved)
  const lock = all.length > 0 && networkLock === "nftables" ? lockConnections(all.map(endsOf)) : undefined
  const runId = method === LOCK_METHOD.NFTABLES ? set.inventory.dump_criu_run_id : undefined
  return {
    makeReady: () => (all.length > 0 ? ready(saved, all, lock, runId) : undefined),
    [Symbol.dispose]: () => lock?.[Symbol.dispose](),
  }
}

/** Waits for the states, and keeps a copy of each socket. @param runId of the dump, when it left a table */
function ready(saved: FileTree, all: readonly inet_sk_entry[], lock: Tables | undefined, runId: string | undefined): ReadyConnections {
  using scope = new DisposableStack()
  scope.use(roomForDescriptors(all.length))
  const entries = new Map(all.map((entry) => [entry.id, entry]))
  const held: { readonly entry: inet_sk_entry; readonly fd: number }[] = []
  // Each once: when it is let go its peer may change its state.
  lendFiles(saved, entries.keys(), (id, copy) => {
    const entry = entries.get(id)
    if (!entry) return
    awaitState(copy, entry)
    held.push({ entry, fd: scope.adopt(syscall("fcntl", copy, F.DUPFD_CLOEXEC, 0), (fd) => void attempt("close", fd)) })
  })
  const staying = runId === undefined ? undefined : scope.use(stayingTables(runId))
  const tables = [staying, lock].filter((one) => one !== undefined)
  const kept = scope.move()
  return {
    keeps: [...tables, ...held].map(({ fd }) => fd),
    silence: held.map(({ fd }) => optionCall(fd, IPPROTO.TCP, TCP.REPAIR, TCP_REPAIR.ON)),
    endRepair() {
      for (const { fd } of held) tellOption(fd, IPPROTO.TCP, TCP.REPAIR, TCP_REPAIR.OFF_NO_WP)
    },
    releasing: [
      ...tables.flatMap(({ removal }) => removal),
      ...held.flatMap(({ fd, entry }) => toldOf(entry).map((option) => optionCall(fd, ...option))),
    ],
    release() {
      for (const table of tables) warnOf("nf_tables", () => table.remove())
      for (const { fd, entry } of held) for (const option of toldOf(entry)) warnOf(inetText(entry), () => tellOption(fd, ...option))
    },
    [Symbol.dispose]: () => kept.dispose(),
  }
}

/** What makes a connection tell its peer that it is there, and what that undoes, in this order. */
const toldOf = ({ opts }: inet_sk_entry): [level: number, name: number, value: number][] => [
  [IPPROTO.TCP, TCP.REPAIR, TCP_REPAIR.OFF],
  [SOL_SOCKET, SO.REUSEADDR, opts.reuseaddr ? 1 : 0],
]

function warnOf(what: string, step: () => void): void {
  try {
    step()
  } catch (error) {
    log.warn(`cannot let ${what} go: ${error}`)
  }
}

/** Segments that were made for a connection pass through the kernel like any other. @throws CheckpointError E_RESTORE */
function awaitState(copy: number, entry: inet_sk_entry): void {
  const deadline = deadlineIn(PATIENCE)
  for (let { state } = askTcp(copy); state !== entry.state; { state } = askTcp(copy)) {
    if (performance.now() > deadline.at)
      throw new CheckpointError(
        "E_RESTORE",
        `Cannot restore ${inetText(entry)}`,
        `it came into state ${state} instead of ${entry.state}`,
        "Look for rules of the firewall that drop its packets, or use --tcp-close",
      )
    checkInterrupt("the restore of connections")
    pause(1)
  }
}
