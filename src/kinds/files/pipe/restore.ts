import { AT, O } from "../../../../ffi/abi/file.ts"
import type { pipe_entry } from "../../../../proto/gen/pipe_pb.ts"
import { fillPipe, packetsOf } from "../content.ts"
import type { NewPipe, Opened, Restoring } from "../restoring.ts"

type Ends = Pick<Restoring, "program" | "files" | "users" | "pipesData" | "pipes" | "extension" | "later">

/** What pipe2(2) can make: an end with one direction. O_LARGEFILE shows that it was opened through /proc, as further ends are. */
const isMade = ({ flags }: pipe_entry, direction: number): boolean => (flags & O.ACCMODE) === direction && (flags & O.LARGEFILE) === 0

/** Entries of each pipe that descriptors use, by the descriptors: found once for all pipes. */
const endsByUsers = new WeakMap<Ends["users"], Map<number, pipe_entry[]>>()

/** Entries of one pipe that a descriptor uses. */
function endsOf(pipeId: number, { files, users }: Pick<Ends, "files" | "users">): pipe_entry[] {
  const known = endsByUsers.get(users)
  if (known) return known.get(pipeId) ?? []
  const found = Map.groupBy(
    [...users.keys()].flatMap((id) => files.get(id)?.pipe ?? []),
    ({ pipe_id }) => pipe_id,
  )
  endsByUsers.set(users, found)
  return found.get(pipeId) ?? []
}

/** Appends a pipe with its size and content. The ends that no entry wants are closed when all others have been opened. */
function makePipe({ id, pipe_id }: pipe_entry, ends: Ends): NewPipe {
  const { program, users, pipesData, extension, later } = ends
  const about = `pipe ${pipe_id}`
  const room = program.room(8)
  program.callWith({ about }, "pipe2", room, 0)
  const [read, write] = [program.loadU32(room, 0), program.loadU32(room, 4)]
  const data = pipesData.get(pipe_id)
  const entries = endsOf(pipe_id, ends)
  if (data) fillPipe(write, data, packetsOf(data, entries, extension), about, program)
  const made = new Map<number, Opened>()
  for (const [direction, end] of [
    [O.RDONLY, read],
    [O.WRONLY, write],
  ] as const) {
    const taker = entries.find((entry) => isMade(entry, direction))
    if (taker) made.set(taker.id, end)
    else later(() => program.call("close", end))
  }
  const anchor = users.get(id)?.[0]?.fd
  if (anchor === undefined) throw new Error(`Unreachable: pipe ${pipe_id} is restored without a descriptor`)
  if (made.size < entries.length) program.callWith({ about }, "dup3", read, anchor, 0)
  return { ends: made, anchor }
}

/** Appends a further end of a pipe that a number of the program leads to. */
function reopen({ pipe_id, flags }: Pick<pipe_entry, "pipe_id" | "flags">, anchor: number, program: Restoring["program"]): Opened {
  const path = program.string(`/proc/self/fd/${anchor}`)
  return program.callWith({ about: `a further end of pipe ${pipe_id}` }, "openat", AT.FDCWD, path, flags & (O.ACCMODE | O.NONBLOCK), 0)
}

/**
 * Appends the opening of an end of a pipe that whoever restores gives; the first end puts into it what was queued.
 *
 * @param number descriptor that leads to it
 * Precondition: it is empty where something was queued. Whoever has its other end goes on meanwhile: a full one fails, and does not wait.
 */
export function openGivenPipe(entry: pipe_entry, number: number, ends: Omit<Ends, "later">): Opened {
  const { program, pipes, pipesData, extension } = ends
  const { pipe_id } = entry
  const data = pipesData.get(pipe_id)
  if (!pipes.has(pipe_id) && data) {
    const writer = reopen({ pipe_id, flags: O.WRONLY | O.NONBLOCK }, number, program)
    fillPipe(writer, data, packetsOf(data, endsOf(pipe_id, ends), extension), `pipe ${pipe_id}`, program)
    program.call("close", writer)
  }
  pipes.set(pipe_id, { ends: new Map(), anchor: number })
  return reopen({ pipe_id, flags: entry.flags & O.ACCMODE }, number, program)
}

/**
 * An entry -> one end of a pipe appended to the program. Mirror: ./collect.ts
 *
 * The first end that comes makes the whole pipe. Ends beyond the two of pipe2, and those open in both directions, are opened through
 * /proc/self/fd: every open file of a pipe is of its own, with its own flags.
 */
export function restorePipe(entry: pipe_entry, ends: Ends): Opened {
  const { program, pipes } = ends
  let pipe = pipes.get(entry.pipe_id)
  if (!pipe) {
    pipe = makePipe(entry, ends)
    pipes.set(entry.pipe_id, pipe)
  }
  const made = pipe.ends.get(entry.id)
  if (made) return made
  return reopen({ pipe_id: entry.pipe_id, flags: entry.flags & O.ACCMODE }, pipe.anchor, program)
}
