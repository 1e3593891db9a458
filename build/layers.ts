/** Who may import whom: section 2 of the house style, as data. Checked by build/check.ts. */

/** A folder and the folders, packages or files that it may import beyond itself. The longest matching path is the folder of a file. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  proto: ["@bufbuild/protobuf"],
  ffi: [],
  "ffi/kernel.ts": ["ffi", "bun:ffi"],
  "ffi/abi": ["ffi/layout.ts"],
  "ffi/stub": ["ffi/layout.ts"],
  "src/main.ts": ["src/cli"],
  "src/cli": [
    "src/flow",
    "ffi/fs.ts",
    "ffi/heap.ts",
    "ffi/abi/file.ts",
    "src/rseq",
    "src/image",
    "src/elf",
    "src/base",
    "proto",
    "cac",
    "@bufbuild/protobuf",
    "node:",
  ],
  "src/flow": [
    "src/kinds",
    "src/rseq",
    "src/image",
    "src/tracee",
    "src/proc",
    "src/elf",
    "src/base",
    "ffi",
    "proto",
    "@bufbuild/protobuf",
    "node:",
  ],
  "src/rseq": ["src/tracee", "src/elf", "src/base", "ffi", "proto", "node:"],
  "src/image": ["src/base", "ffi/fs.ts", "ffi/sync.ts", "proto", "@bufbuild/protobuf", "node:"],
  "src/kinds": ["src/tracee", "src/proc", "src/base", "ffi", "proto", "@bufbuild/protobuf", "node:"],
  "src/tracee": ["src/proc", "src/base", "ffi", "node:"],
  "src/proc": ["src/base", "ffi/fs.ts", "ffi/folder.ts", "node:"],
  "src/elf": ["src/base", "node:"],
  "src/base/engine.ts": ["bun:jsc"],
  "src/base": ["consola", "ffi/fs.ts", "node:"],
}

/** The folders of src/flow and which others each may import, beside what stands in src/flow itself. A dump knows nothing of a restore. */
const FLOWS: Readonly<Record<string, readonly string[]>> = {
  dump: ["rseq", "verify"],
  restore: ["features", "verify"],
  verify: ["dump"],
  rseq: ["dump"],
  features: [],
}

/** The folder of a file in LAYERS; undefined for build/ and test/, which may import anything. @throws Error a file in no room at all */
function layerOf(file: string): string | undefined {
  if (file.startsWith("build/") || file.startsWith("test/")) return undefined
  const rooms = Object.keys(LAYERS).filter((room) => inside(file, room))
  const room = rooms.sort((a, b) => b.length - a.length)[0]
  if (room === undefined) throw new Error(`"${file}" is in no folder of build/layers.ts`)
  return room
}

/**
 * Whether a file may import something.
 *
 * @param imported a path of this repository, or a package name
 */
export function mayImport(file: string, imported: string): boolean {
  const room = layerOf(file)
  if (room === undefined) return true
  if (room === "src/kinds" && inside(imported, "src/kinds")) return sameKind(file, imported)
  if (room === "src/flow" && inside(imported, "src/flow")) return sameFlow(file, imported)
  return [room, ...(LAYERS[room] ?? [])].some((allowed) => inside(imported, allowed))
}

/** Two folders of one parent never import each other's files; a folder and those above or below it may. */
function sameKind(file: string, imported: string): boolean {
  const [mine, other] = [file, imported].map((path) => path.split("/").slice(2, -1)) as [string[], string[]]
  return mine.every((folder, depth) => other[depth] === undefined || other[depth] === folder)
}

/** See FLOWS. What stands in src/flow itself may import every folder. */
function sameFlow(file: string, imported: string): boolean {
  const [mine, other] = [file, imported].map((path) => path.split("/").slice(2, -1)[0])
  return mine === undefined || other === undefined || mine === other || (FLOWS[mine] ?? []).includes(other)
}

const inside = (path: string, room: string): boolean =>
  path === room || path.startsWith(`${room}/`) || (room.endsWith(":") && path.startsWith(room))
