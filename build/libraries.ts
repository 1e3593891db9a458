/** Finds what a program needs to run: its interpreter and, over each other, all libraries. Authority: ld.so(8), elf(5). */
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { DT_NEEDED, DT_SONAME, PT_INTERP } from "../src/elf/constants.ts"
import type { Elf } from "../src/elf/open.ts"
import { readView, stringAt } from "../src/elf/source.ts"
import { open, rowsOf, stringsOf } from "./dynamic.ts"

/** Where distributions keep libraries for x86-64; below the root. */
const FOLDERS = ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu", "lib64", "usr/lib64", "lib", "usr/lib"]

/** A file that the program needs. */
export interface Library {
  readonly path: string
  readonly bytes: Uint8Array
}

/** The strings of the rows with one tag. */
function named(elf: Elf, wanted: bigint): string[] {
  const strings = stringsOf(elf)
  return rowsOf(elf).flatMap(([tag, offset]) => (tag === wanted ? [stringAt(strings, Number(offset))] : []))
}

function find(root: string, name: string): Library {
  const path = FOLDERS.map((folder) => join(root, folder, name)).find((path) => existsSync(path))
  if (!path) throw new Error(`No ${name} below "${root}"`)
  const bytes = readFileSync(path)
  // By this name the loader finds a library again that it has loaded under another one.
  const [own] = named(open(bytes, path), DT_SONAME)
  if (own !== name) throw new Error(`"${path}" calls itself "${own}"`)
  return { path, bytes }
}

/**
 * The interpreter and the libraries of a program, in the loader's order: breadth first.
 *
 * @param root of the system whose libraries are meant
 * @throws Error one of them is missing
 */
export function librariesOf(program: Uint8Array, root: string): { loader: Library; libraries: Library[] } {
  const elf = open(program, "The program")
  const segment = elf.segments.find(({ type }) => type === PT_INTERP)
  const path = segment && readView(elf.read, segment.offset, segment.fileSize)
  if (!path) throw new Error("The program names no interpreter")
  const interpreter = stringAt(new Uint8Array(path.buffer, path.byteOffset, path.byteLength), 0)
  const loaderName = interpreter.slice(interpreter.lastIndexOf("/") + 1)
  const found = new Map<string, Library>()
  const wanted = named(elf, DT_NEEDED)
  // The list grows while it is walked.
  for (const name of wanted) {
    if (name === loaderName || found.has(name)) continue
    const library = find(root, name)
    found.set(name, library)
    wanted.push(...named(open(library.bytes, library.path), DT_NEEDED))
  }
  return { loader: find(root, loaderName), libraries: [...found.values()] }
}
