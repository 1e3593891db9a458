import { closeSync, readFileSync, readSync, writeFileSync, writeSync } from "node:fs"
import { join } from "node:path"
import { F } from "../../ffi/abi/file.ts"
import { AF, SOCK } from "../../ffi/abi/socket.ts"
import { allocate, syscall } from "../../ffi/syscall.ts"
import { eventsOf, POLL } from "../../src/kinds/files/poll.ts"
import { DEADLINE_SECONDS, waitFor } from "../harness/deadline.ts"
import { scratch } from "../harness/folders.ts"
import type { Run, Tool } from "../harness/tool.ts"

const memory = allocate(4096)
/** Above all numbers that a started tool gets: one that is at its number already would be closed with its start. */
const ABOVE = 200
const apart = (fd: number): number => {
  const copy = syscall("fcntl", fd, F.DUPFD_CLOEXEC, ABOVE)
  closeSync(fd)
  return copy
}
const two = (): [number, number] => [apart(memory.view.getInt32(0, true)), apart(memory.view.getInt32(4, true))]

/** A new pipe: the end to read, the end to write. */
export function newPipe(): [number, number] {
  syscall("pipe2", memory.address, 0)
  return two()
}

/** A pair of stream sockets. */
export function newPair(): [number, number] {
  syscall("socketpair", AF.UNIX, SOCK.STREAM, 0, memory.address)
  return two()
}

/** Reads what is written to a descriptor until it is as long as `text`. */
export async function says(fd: number, text: string): Promise<string> {
  const buffer = Buffer.alloc(4096)
  let found = ""
  await waitFor(`"${text}"`, () => {
    if (found.length < text.length && eventsOf(fd) & POLL.IN) found += buffer.toString("utf8", 0, readSync(fd, buffer))
    return found.length >= text.length
  })
  return found
}

export const tell = (fd: number, text: string): void => void writeSync(fd, text)

/** Runs a tool with descriptors of ours, the first one as its 3, and so on; then they are closed here. */
export async function runWith(tool: Tool, args: readonly string[], fds: readonly number[]): Promise<Run> {
  const log = join(scratch("given"), "log")
  writeFileSync(log, "")
  const command = [...tool.command, ...args]
  const output = Bun.file(log)
  // Without `env` it would get what this program started with, and not the CRIU_FAULT that fetch.ts found to be needed.
  const patience = { timeout: DEADLINE_SECONDS * 1000, killSignal: "SIGKILL" } as const
  const child = Bun.spawn(command, { stdio: ["ignore", output, output, ...fds], env: process.env, ...patience })
  for (const fd of fds) closeSync(fd)
  const status = await child.exited
  const stderr = readFileSync(log, "utf8")
  return { command: command.join(" "), status, stdout: "", stderr, milliseconds: 0 }
}
