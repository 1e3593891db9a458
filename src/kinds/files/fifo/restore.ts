import { F, O } from "../../../../ffi/abi/file.ts"
import type { file_entry } from "../../../../proto/gen/fdinfo_pb.ts"
import type { fifo_entry } from "../../../../proto/gen/fifo_pb.ts"
import type { reg_file_entry } from "../../../../proto/gen/regfile_pb.ts"
import { fillPipe, packetsOf } from "../content.ts"
import { pathEntry } from "../images.ts"
import { openRegular } from "../open.ts"
import type { Opened, Restoring } from "../restoring.ts"
import type { FileFacts } from "../row.ts"

type Ends = Pick<Restoring, "program" | "files" | "users" | "fifoData" | "fifos" | "extension" | "ghosts">

const pathOf = ({ id, regf_id }: fifo_entry, files: ReadonlyMap<number, file_entry>): reg_file_entry =>
  pathEntry(id, regf_id ?? 0, "FIFO", files)

/** Flags and owner of an open FIFO, which its path's entry has. @throws CheckpointError E_IMAGE_CORRUPT it has none */
export function fifoFacts(entry: fifo_entry, files: ReadonlyMap<number, file_entry>): FileFacts {
  const { flags, fown } = pathOf(entry, files)
  return { id: entry.id, flags, fown }
}

/**
 * Appends the opening of all ends of a FIFO, with its size and content. Until all are open two ends of ours keep any open(2) from waiting
 * for its other side; ours for writing goes first, so that those who have never seen a writer do not see ours either. Kernel: fs/pipe.c
 * fifo_open()
 */
function openEnds({ pipe_id }: fifo_entry, { program, files, users, fifoData, extension, ghosts }: Ends): Map<number, Opened> {
  const ends = [...users.keys()].flatMap((id) => {
    const fifo = files.get(id)?.fifo
    return fifo?.pipe_id === pipe_id ? [{ id, path: pathOf(fifo, files) }] : []
  })
  const [first] = ends
  if (!first) throw new Error(`Unreachable: FIFO ${pipe_id} is restored without a descriptor`)
  const about = `FIFO "${first.path.name}"`
  const reader = openRegular(program, first.path, O.RDONLY | O.NONBLOCK, ghosts)
  const writer = openRegular(program, first.path, O.WRONLY | O.NONBLOCK, ghosts)
  const data = fifoData.get(pipe_id)
  const facts = ends.map(({ id, path: { flags } }) => ({ id, flags }))
  if (data) fillPipe(writer, data, packetsOf(data, facts, extension), about, program)

  const opened = new Map<number, Opened>()
  const isWritten = ends.some(({ path }) => (path.flags & O.ACCMODE) !== O.RDONLY)
  const waits = ({ id }: { id: number }): boolean => !isWritten && (extension.get(id)?.fifo_unwritten ?? false)
  for (const end of ends) if (!waits(end)) opened.set(end.id, openRegular(program, end.path, end.path.flags, ghosts))
  program.call("close", writer)
  for (const end of ends.filter(waits)) {
    const { flags } = end.path
    const fd = openRegular(program, end.path, flags | O.NONBLOCK, ghosts)
    opened.set(end.id, fd)
    if (!(flags & O.NONBLOCK)) program.callWith({ about }, "fcntl", fd, F.SETFL, flags)
  }
  program.call("close", reader)
  return opened
}

/** An entry -> one end of a FIFO appended to the program; the first that comes opens them all. Mirror: ./collect.ts */
export function restoreFifo(entry: fifo_entry, ends: Ends): Opened {
  const opened = ends.fifos.getOrInsertComputed(entry.pipe_id, () => openEnds(entry, ends)).get(entry.id)
  if (!opened) throw new Error(`Unreachable: file ${entry.id} is no end of FIFO ${entry.pipe_id}`)
  return opened
}
