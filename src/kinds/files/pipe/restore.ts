import { AT, O } from "../../../../ffi/abi/file.ts"
import type { pipe_entry } from "../../../../proto/gen/pipe_pb.ts"
import { fillPipe, packetsOf } from "../content.ts"
import type { NewPipe, Opened, Restoring } from "../kind.ts"

type Ends = Pick<Restoring, "program" | "files" | "users" | "pipesData" | "pipes" | "extension" | "later">

/** What pipe2(2) can make: an end with one direction. O_LARGEFILE shows that it was opened through /proc, as further ends are. */
const isMade = ({ flags }: pipe_entry, direction: number): boolean => (flags & O.ACCMODE) === direction && (flags & O.LARGEFILE) === 0

/** Entries of one pipe that a descriptor uses. */
function endsOf(pipeId: number, { files, users }: Ends): pipe_entry[] {
  return [...users.keys()].flatMap((id) => {
    const pipe = files.get(id)?.pipe
    return pipe?.pipe_id === pipeId ? [pipe] : []
  })
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
  const path = program.string(`/proc/self/fd/${pipe.anchor}`)
  return program.callWith({ about: `a further end of pipe ${entry.pipe_id}` }, "openat", AT.FDCWD, path, entry.flags & O.ACCMODE, 0)
}
