import { AT } from "../../../../../ffi/abi/file.ts"
import { AF, UNIX_NAME } from "../../../../../ffi/abi/socket.ts"
import type { unix_sk_entry } from "../../../../../proto/gen/sk-unix_pb.ts"
import { bytesOf } from "../../../../../proto/text.ts"
import type { Argument, Data, Program } from "../../../../tracee/program.ts"
import { pathText } from "./bound.ts"
import { isPath, nameText } from "./sockets.ts"

/** Permission bits of a mode. */
const PERMISSIONS = 0o7777

/** A name as an address of the kernel's. */
export function addressOf(name: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(UNIX_NAME + name.length)
  bytes[0] = AF.UNIX
  bytes.set(name, UNIX_NAME)
  return bytes
}

/** "unix socket 7 "/run/x.sock"" */
export const socketName = ({ ino, name }: Pick<unix_sk_entry, "ino" | "name">): string =>
  `unix socket ${ino}${name.length > 0 ? ` "${nameText(name)}"` : ""}`

const textData = (program: Program, text: string): Data => program.bytes(Buffer.concat([bytesOf(text), Buffer.alloc(1)]))
const pathData = (program: Program, { name }: unix_sk_entry): Data => textData(program, pathText(name))

/** Appends that relative paths count from where this one did. */
function enter(socket: unix_sk_entry, program: Program): void {
  const { name, name_dir } = socket
  if (!isPath(name) || name_dir === undefined) return
  program.callWith({ about: socketName(socket) }, "chdir", textData(program, name_dir))
}

/**
 * Appends that a socket is bound to its name. A file that is left of it is removed first, and the new one gets its owner and permissions.
 *
 * Precondition: `unixChecks` have passed: nobody else uses the file. The directory of the process may be another one afterwards.
 */
export function bindSocket(socket: unix_sk_entry, fd: Argument, program: Program): void {
  const { name, file_perms } = socket
  const about = socketName(socket)
  enter(socket, program)
  if (isPath(name) && !socket.deleted) program.callWith({ about, expects: "ENOENT" }, "unlinkat", AT.FDCWD, pathData(program, socket), 0)
  const address = addressOf(name)
  program.callWith({ about }, "bind", fd, program.bytes(address), address.length)
  if (!isPath(name) || !file_perms) return
  const path = pathData(program, socket)
  program.callWith({ about: `the owner of ${about}` }, "fchownat", AT.FDCWD, path, file_perms.uid, file_perms.gid, 0)
  program.callWith({ about: `the permissions of ${about}` }, "fchmodat", AT.FDCWD, path, file_perms.mode & PERMISSIONS)
}

/** Appends that a socket gets a name by which nobody finds it, unless somebody else has that by now. */
export function bindIfFree(socket: unix_sk_entry, fd: Argument, program: Program): void {
  const address = addressOf(socket.name)
  program.callWith({ about: socketName(socket), expects: "EADDRINUSE" }, "bind", fd, program.bytes(address), address.length)
}

/** Appends that a socket is connected to another one by its name. */
export function connectSocket(fd: Argument, to: unix_sk_entry, program: Program): void {
  enter(to, program)
  const address = addressOf(to.name)
  program.callWith({ about: `the way to ${socketName(to)}` }, "connect", fd, program.bytes(address), address.length)
}

/**
 * Appends that the file of a socket goes, which had gone before, or is renamed as it had been.
 *
 * Precondition: nobody is to find the socket by its name any more. `unixChecks` have passed: nobody else uses what the new name leads to.
 */
export function unlinkSocket(socket: unix_sk_entry, renamed: string | undefined, program: Program): void {
  if (!isPath(socket.name) || !(socket.deleted || renamed !== undefined)) return
  enter(socket, program)
  const about = socketName(socket)
  const path = pathData(program, socket)
  if (renamed === undefined) program.callWith({ about }, "unlinkat", AT.FDCWD, path, 0)
  else program.callWith({ about }, "renameat2", AT.FDCWD, path, AT.FDCWD, textData(program, renamed), 0)
}
