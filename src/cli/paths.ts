import { isAbsolute, resolve } from "node:path"
import { readFileSync, readlinkSync } from "../../ffi/fs.ts"
import { misused } from "./refuse.ts"
import type { Canonical } from "./spelling.ts"

/** What the runtime puts in the place of bytes that are not UTF-8; it may also stand there by itself. */
const REPLACED = "\ufffd"

const isUtf8 = (bytes: Buffer): boolean => bytes.equals(Buffer.from(bytes.toString("utf8"), "utf8"))

/**
 * Refuses words that are not UTF-8: as paths they would lead to another place.
 *
 * @param given the words as the kernel has them, asked for only if one of `argv` may not be   @throws CheckpointError E_USAGE
 */
export function refuseUnreadable(argv: readonly string[], given = () => readFileSync("/proc/self/cmdline")): void {
  const word = argv.find((one) => one.includes(REPLACED))
  if (word === undefined || isUtf8(given())) return
  throw misused(undefined, `"${word}" is not UTF-8`, "Name a link to it whose name is: ln -s DIR NAME")
}

/** Where relative paths start; empty if that path is not UTF-8. */
export function workingDirectory(cwd = process.cwd(), link = () => readlinkSync("/proc/self/cwd", "buffer")): string {
  return cwd.includes(REPLACED) && !isUtf8(link()) ? "" : cwd
}

/** A path as an absolute one. @param cwd as `workingDirectory` says   @throws CheckpointError E_USAGE */
export function placed({ command }: Canonical, cwd: string, path: string): string {
  if (cwd === "" && !isAbsolute(path))
    throw misused(command, `"${path}" starts at the working directory, whose path is not UTF-8`, "Write an absolute path")
  return resolve(cwd, path)
}
