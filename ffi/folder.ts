import { FileError, readdirSync } from "./fs.ts"
import { doorExists, readNumbers } from "./kernel.ts"
import { allocate, errnoName, pathArgument } from "./syscall.ts"

/** Bytes for what the kernel says of names, and numbers that there is room for at first. */
const ROOM = 64 * 1024
const NUMBERS = 16 * 1024
let memory = allocate(ROOM + NUMBERS * 4)
let most = NUMBERS

/**
 * The numbers among the names in a directory, in its order: folders of /proc have thousands, and strings of them take longer than the
 * kernel.
 *
 * @param path at most 4095 bytes   @throws FileError
 */
export const readNumbersSync: (path: string) => number[] = doorExists ? read : readNames

function read(path: string): number[] {
  const count = readNumbers(pathArgument(path), memory.address + ROOM, most, memory.address, ROOM)
  if (count < 0) {
    const code = errnoName(-count)
    if (code === "EINTR") return read(path)
    throw new FileError(code, "open", path)
  }
  if (count < most) return Array.from(new Uint32Array(memory.bytes.buffer, ROOM, count))
  most *= 2
  memory = allocate(ROOM + most * 4)
  return read(path)
}

function readNames(path: string): number[] {
  const names = readdirSync(path).filter((name) => /^\d+$/.test(name))
  return names.map(Number)
}
