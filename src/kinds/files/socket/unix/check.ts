import { S_IF } from "../../../../../ffi/abi/file.ts"
import { SOCK, TCP_STATE } from "../../../../../ffi/abi/socket.ts"
import type { unix_sk_entry } from "../../../../../proto/gen/sk-unix_pb.ts"
import { CheckpointError, damagedImage } from "../../../../base/errors.ts"
import type { Linked } from "../../restoring.ts"
import { isReadOnly, kindName, kindOf, statPath } from "../../stat.ts"
import { findSystems } from "../../system.ts"
import { socketName } from "./bind.ts"
import { pathText } from "./bound.ts"
import { isBound, relationOf, UFLAGS } from "./relations.ts"
import { isPath, nameText, readUnixSockets, UNIX_STATES, UNIX_TYPES, type UnixSocket } from "./sockets.ts"

const corrupt = (socket: unix_sk_entry, found: string): CheckpointError => damagedImage(`Cannot restore ${socketName(socket)}`, found)

const inTheWay = (socket: unix_sk_entry, found: string, next: string): CheckpointError =>
  new CheckpointError("E_FILE_CHANGED", `Cannot restore ${socketName(socket)}`, found, next)

/** The images of one socket fit together, and those of what is in its queue. */
function checkRelations(socket: unix_sk_entry, images: Linked, extUnixSk: boolean): void {
  const { files, skQueues } = images
  const { type, state, shutdown, uflags } = socket
  if (!(type in UNIX_TYPES)) throw corrupt(socket, `it is of type ${type}`)
  if (!UNIX_STATES.has(state)) throw corrupt(socket, `it is in state ${state}`)
  if (uflags & (UFLAGS.EXTERN | UFLAGS.CALLBACK))
    throw new CheckpointError(
      "E_IMAGE_UNSUPPORTED",
      `Cannot restore ${socketName(socket)}`,
      uflags & UFLAGS.CALLBACK ? "a plugin of CRIU restores it" : "it is a socket outside the tree",
      "Restore this image with CRIU",
    )
  if ((shutdown ?? 0) > 3) throw corrupt(socket, `${shutdown} says nothing of what was shut down`)
  const relation = relationOf(socket, files)
  if (relation.kind === "dangling") throw corrupt(socket, `files.img has no socket ${socket.peer}, its peer`)
  if (relation.kind === "outside" && !extUnixSk)
    throw new CheckpointError(
      "E_IMAGE_UNSUPPORTED",
      `Cannot restore ${socketName(socket)}`,
      `it is connected to ${socketName(relation.outside)} outside the tree`,
      "Give --ext-unix-sk: it is connected to that name again",
    )
  if ("peer" in relation && relation.peer.type !== type) throw corrupt(socket, `its peer is of type ${relation.peer.type}`)
  if (relation.kind === "sender" && relation.peer.name.length === 0)
    throw corrupt(socket, "its peer has no name and is connected elsewhere")
  if (relation.kind === "pending" && type === SOCK.DGRAM) throw corrupt(socket, "its peer is a listener")
  if ((skQueues.get(socket.id)?.length ?? 0) === 0) return
  if (relation.kind === "pending" || relation.kind === "outside" || state === TCP_STATE.LISTEN)
    throw corrupt(socket, "it has a queue, and nobody who could have filled it")
  if (relation.kind === "single" && socket.name.length === 0) throw corrupt(socket, "it has a queue, and neither a name nor a peer")
}

/** A name is free, or what is left of the socket stands there. */
function checkName(socket: unix_sk_entry, inUse: () => readonly UnixSocket[]): void {
  const { name, name_dir } = socket
  if (!isPath(name)) {
    const taken = inUse().some((other) => Buffer.compare(other.name, name) === 0 && other.type === socket.type)
    if (taken) throw inTheWay(socket, "another program has this name now", "End that program, or restore in a network namespace of its own")
    return
  }
  const path = pathText(name)
  checkPath(socket, path.startsWith("/") ? path : `${name_dir ?? "."}/${path}`, inUse)
}

/** Nothing is at a path, or what is left of the socket. */
function checkPath(socket: unix_sk_entry, whole: string, inUse: () => readonly UnixSocket[]): void {
  const folder = whole.slice(0, Math.max(whole.lastIndexOf("/"), 1))
  const there = statPath(folder, true)
  if (!there || kindOf(there.mode) !== S_IF.DIR) throw inTheWay(socket, `there is no directory "${folder}"`, "Make the directory again")
  if (isReadOnly(folder)) throw inTheWay(socket, `"${folder}" is on a read-only mount now`, "Let it be written to: mount -o remount,rw")
  const now = statPath(whole, false)
  if (!now) return
  if (kindOf(now.mode) !== S_IF.SOCK) throw inTheWay(socket, `"${whole}" is ${kindName(now.mode)} now`, "Move it away")
  const like = inUse().flatMap(({ file }) => (file && BigInt(file.ino) === BigInt.asUintN(32, now.ino) ? [file.dev] : []))
  const user = like.length > 0 && like.includes(findSystems().deviceOf(whole) ?? now.dev)
  if (user) throw inTheWay(socket, "another program has a socket of this name now", "End that program")
  if (socket.deleted) throw inTheWay(socket, `"${whole}" was removed, and is there again`, "Remove it: nobody uses it")
}

/** Somebody is there to be connected to. */
function checkOutside(socket: unix_sk_entry, { name }: unix_sk_entry, inUse: () => readonly UnixSocket[]): void {
  const there = inUse().some((other) => Buffer.compare(other.name, name) === 0 && other.type === socket.type)
  if (!there) throw inTheWay(socket, `nobody is at "${nameText(name)}", which it was connected to`, "Start the other program again first")
}

/**
 * Checks of the unix sockets of a tree, while nothing of it exists.
 *
 * @param used ids of files that are restored   @param renamed where files of sockets are that were renamed, by id
 * @param extUnixSk sockets may be connected to names outside the tree
 * @returns checks that throw E_IMAGE_CORRUPT · E_IMAGE_UNSUPPORTED · E_FILE_CHANGED a name is taken
 */
export function* unixChecks(
  used: ReadonlySet<number>,
  images: Linked,
  renamed: ReadonlyMap<number, string>,
  extUnixSk: boolean,
): Generator<() => void> {
  let known: readonly UnixSocket[] | undefined
  const inUse = (): readonly UnixSocket[] => {
    known ??= [...readUnixSockets().values()]
    return known
  }
  for (const { id, usk } of images.files.values()) {
    if (!usk || !used.has(id)) continue
    yield () => {
      checkRelations(usk, images, extUnixSk)
      const relation = relationOf(usk, images.files)
      if (relation.kind === "outside") checkOutside(usk, relation.outside, inUse)
      if (!isBound(usk, images.files)) return
      checkName(usk, inUse)
      const path = renamed.get(id)
      if (path !== undefined) checkPath(usk, path, inUse)
    }
  }
}
