import { inventory_entrySchema } from "../../proto/gen/inventory_pb.ts"
import { rseq_entrySchema } from "../../proto/gen/rseq_pb.ts"
import type { CheckpointError } from "../base/errors.ts"
import { hex } from "../base/units.ts"
import type { ImageFile, ImageSet } from "../image/set.ts"
import { fileKind, fileState, fileText } from "./show-descriptor.ts"
import { type Json, jsonNumber, messageJson } from "./show-json.ts"
import type { ShownArea, ShownDescriptor, ShownProcess, ShownThread } from "./show-process.ts"
import { countEntries } from "./show-read.ts"
import { mapWords, protWords } from "./show-words.ts"

const threadData = ({ tid, name, ip, at, rseq, rseqClass }: ShownThread): Json => ({
  tid,
  name,
  ip: ip === undefined ? null : hex(ip),
  at,
  rseq_class: rseqClass,
  rseq: rseq ? messageJson(rseq_entrySchema, rseq) : null,
})

const areaData = ({ vma, name, stored, elsewhere }: ShownArea): Json => ({
  start: hex(vma.start),
  end: hex(vma.end),
  prot: protWords(vma.prot),
  flags: mapWords(vma.flags),
  name,
  pages_stored: jsonNumber(stored),
  pages_elsewhere: jsonNumber(elsewhere),
})

function descriptorData({ fd, cloexec, id, file, flags, note }: ShownDescriptor): Json {
  if (!file) return { fd, cloexec, id }
  const { pos } = fileState(file)
  return {
    fd,
    cloexec,
    id,
    kind: fileKind(file),
    what: fileText(file),
    ...(note ? { note } : {}),
    flags,
    pos: pos === undefined ? null : jsonNumber(BigInt.asIntN(64, pos)),
  }
}

const processData = ({ entry, name, state, threads, areas, descriptors, exe, cwd, root }: ShownProcess): Json => ({
  pid: entry.pid,
  ppid: entry.ppid,
  pgid: entry.pgid,
  sid: entry.sid,
  name,
  state,
  exe,
  cwd,
  root,
  threads: threads.map(threadData),
  areas: areas.map(areaData),
  files: descriptors.map(descriptorData),
})

/** A whole set as JSON: what the text form shows. Addresses are hexadecimal strings; every image whole: ask for it by its file. */
export function setData(
  set: ImageSet,
  images: readonly ImageFile[],
  processes: readonly ShownProcess[],
  errors: readonly CheckpointError[],
): Json {
  return {
    directory: set.directory,
    bytes: images.reduce((sum, { size }) => sum + size, 0),
    inventory: messageJson(inventory_entrySchema, set.inventory),
    processes: processes.map(processData),
    errors: errors.map(({ code, message, next }) => ({ code, message, next })),
    images: images.map((image) => ({
      name: image.name,
      kind: image.kind,
      id: image.id === undefined ? null : typeof image.id === "string" ? image.id : jsonNumber(image.id),
      size: image.size,
      entries: countEntries(set, image),
    })),
  }
}
