import { CheckpointError } from "../base/errors.ts"
import { hex, PAGE_SIZE } from "../base/units.ts"
import { type ImageFile, type ImageSet, openImages } from "../image/set.ts"
import { setData } from "./show-data.ts"
import { fileKind, fileState, fileText } from "./show-descriptor.ts"
import type { ShownProcess } from "./show-process.ts"
import { countEntries, readProcesses } from "./show-read.ts"
import { safeText, tableLines } from "./show-table.ts"
import { mapWords, protWords, sizeWords } from "./show-words.ts"

const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? "" : noun.endsWith("s") ? "es" : "s"}`
const position = (pos: bigint | undefined): string => (pos === undefined ? "" : pos === 2n ** 64n - 1n ? "-" : String(pos))

function summaryLines(set: ImageSet, images: readonly ImageFile[], processes: readonly ShownProcess[]): string[] {
  const bytes = images.reduce((sum, { size }) => sum + size, 0)
  const pages = images.reduce((sum, { kind, size }) => (kind === "pages" ? sum + size : sum), 0)
  const mapped = processes.reduce((sum, { areas }) => areas.reduce((inner, { vma }) => inner + vma.end - vma.start, sum), 0n)
  const [threads, areas, fds] = (["threads", "areas", "descriptors"] as const).map((list) =>
    processes.reduce((sum, process) => sum + process[list].length, 0),
  )
  const { img_version, dump_criu_run_id } = set.inventory
  const producer = processes.map(({ entry }) => set.optional("stasis-core", entry.pid)[0]?.producer).find((name) => name !== undefined)
  return [
    set.directory,
    `  ${sizeWords(bytes)} in ${count(images.length, "image")}: ${sizeWords(pages)} of pages (${pages / PAGE_SIZE}), ${sizeWords(bytes - pages)} of metadata`,
    `  ${count(processes.length, "process")}, ${count(threads ?? 0, "thread")}, ${count(areas ?? 0, "area")} (${sizeWords(mapped)} mapped), ${count(fds ?? 0, "descriptor")}`,
    `  image version ${img_version}${img_version === 0 ? " (pre-dump: pages only)" : ""}, written by ${producer ?? "CRIU or another program"}${dump_criu_run_id ? `, run ${dump_criu_run_id}` : ""}`,
  ]
}

function treeLines(processes: readonly ShownProcess[]): string[] {
  const depths = new Map<number, number>()
  const rows = processes.map(({ entry: { pid, ppid, pgid, sid }, name, state, threads, exe }) => {
    const depth = ppid === 0 ? 0 : (depths.get(ppid) ?? 0) + 1
    depths.set(pid, depth)
    return [`${"  ".repeat(depth)}${pid}`, name, state, String(threads.length), String(ppid), String(pgid), String(sid), exe]
  })
  return ["", "Processes", ...tableLines(["pid", "name", "state", "threads", "parent", "group", "session", "program"], rows)]
}

function threadLines({ threads }: ShownProcess): string[] {
  const rows = threads.map(({ tid, name, ip, at, rseq, rseqClass }) => {
    const area = rseq
      ? [
          hex(rseq.rseq_abi_pointer),
          String(rseq.rseq_abi_size),
          hex(rseq.signature),
          rseq.rseq_cs_pointer ? hex(rseq.rseq_cs_pointer) : "-",
        ]
      : ["-", "-", "-", "-"]
    return [String(tid), name, ip === undefined ? "?" : hex(ip), at || "-", rseqClass, ...area]
  })
  return ["  Threads", ...tableLines(["tid", "name", "ip", "at", "rseq", "area", "size", "signature", "rseq_cs"], rows, "    ")]
}

function areaLines({ areas }: ShownProcess): string[] {
  const rows = areas.map(({ vma: { start, end, prot, flags }, name, stored, elsewhere }) => {
    const pages = `${stored}${elsewhere > 0n ? ` +${elsewhere} elsewhere` : ""}`
    return [`${start.toString(16)}-${end.toString(16)}`, sizeWords(end - start), protWords(prot), mapWords(flags), pages, name]
  })
  return ["  Areas", ...tableLines(["range", "size", "prot", "flags", "pages", "name"], rows, "    ")]
}

function descriptorLines({ descriptors, cwd, root }: ShownProcess): string[] {
  const rows = descriptors.map(({ fd, cloexec, id, file, flags, note }) => {
    const rest = file
      ? [fileKind(file), position(fileState(file).pos), flags, `${fileText(file)}${note && `  (${note})`}`]
      : ["?", "", "", `file ${id} is not in files.img`]
    return [String(fd), ...rest.slice(0, 2), `${rest[2]}${cloexec ? " cloexec" : ""}`.trim(), rest[3] ?? ""]
  })
  return [
    "  Files",
    ...tableLines(["fd", "kind", "pos", "flags", "what"], [["cwd", "dir", "", "", cwd], ["root", "dir", "", "", root], ...rows], "    "),
  ]
}

function processLines(process: ShownProcess): string[] {
  const head = ["", `Process ${process.entry.pid} ${safeText(process.name)}`]
  return process.threads.length === 0 ? head : [...head, ...threadLines(process), ...areaLines(process), ...descriptorLines(process)]
}

function imageLines(set: ImageSet, images: readonly ImageFile[]): string[] {
  const rows = images.map((image) => [image.name, sizeWords(image.size), String(countEntries(set, image))])
  return ["", "Images", ...tableLines(["file", "size", "entries"], rows)]
}

/**
 * A whole set: sizes, process tree, then threads, areas and files of each process, then every image. What is damaged is named in its place,
 * so that the rest can still be read.
 *
 * @throws CheckpointError E_IMAGE_MISSING no directory or no inventory.img · E_IMAGE_VERSION · E_IMAGE_CORRUPT inventory.img is damaged
 */
export function showSet(directory: string, json: boolean): string {
  const set = openImages(directory, { preDump: true })
  const images = set.files()
  const shown = readProcesses(set)
  const processes = shown.filter((process): process is ShownProcess => !(process instanceof CheckpointError))
  const errors = shown.filter((process) => process instanceof CheckpointError)
  if (json) return JSON.stringify(setData(set, images, processes, errors), undefined, 2)
  return [
    ...summaryLines(set, images, processes),
    ...errors.flatMap(({ message, next }) => ["", message, `  next    ${next}`]),
    ...(processes.length > 0 ? treeLines(processes) : []),
    ...processes.flatMap(processLines),
    ...imageLines(set, images),
  ].join("\n")
}
