import { AT } from "../../../../ffi/abi/file.ts"
import { attempt, errnoName, isFailure, SyscallError } from "../../../../ffi/syscall.ts"
import type { reg_file_entry } from "../../../../proto/gen/regfile_pb.ts"
import { CheckpointError } from "../../../base/errors.ts"
import { standGuard } from "../../../tracee/guard.ts"
import { folderOf, layPath, pathBytes } from "../path.ts"
import { statPath } from "../stat.ts"

/** A name that a file is to get in place of one that it lost. */
export interface WantedLink {
  /** In /proc, leads to the file. */
  readonly link: string
  /** Entry of the new name, which `makeLinks` sets. Until then it is the lost one. */
  readonly entry: reg_file_entry
}

/** New names. Disposal without `keep` removes them. */
export interface MadeLinks extends Disposable {
  /** The images are complete: the names stay until a restore has used them. */
  keep(): void
}

/** What CRIU calls such names. Authority: REFERENCE 5.3 */
const nameOf = (lost: string, number: number): string => `${folderOf(lost).replace(/\/$/, "")}/link_remap.${number}`

/**
 * Gives files that lost a name another one in the same folder. A guard removes them if the tool ends before `keep`, however it ends.
 *
 * @throws CheckpointError E_DIRECTORY: none is left then   Precondition: who could remove the files' last names is stopped.
 */
export function makeLinks(wanted: readonly WantedLink[]): MadeLinks {
  if (wanted.length === 0) return { keep() {}, [Symbol.dispose]() {} }
  const taken = new Set<string>()
  for (const { entry } of wanted) {
    let number = entry.id
    while (taken.has(nameOf(entry.name, number)) || statPath(nameOf(entry.name, number), false)) number++
    taken.add(nameOf(entry.name, number))
    entry.name = nameOf(entry.name, number)
  }
  const guard = standGuard(wanted.map(({ entry: { name } }) => ({ call: "unlinkat", args: [AT.FDCWD, pathBytes(name), 0] })))
  for (const { link, entry } of wanted) {
    const answer = attempt("linkat", AT.FDCWD, layPath(link), AT.FDCWD, layPath(entry.name, 1), AT.SYMLINK_FOLLOW)
    if (!isFailure(answer)) continue
    guard[Symbol.dispose]()
    throw new CheckpointError(
      "E_DIRECTORY",
      `Cannot give ${link} another name`,
      `"${entry.name}" could not be made`,
      "Make its folder writable, or leave --link-remap out and link the file at its old name again; or let the program reopen it",
      new SyscallError("linkat", errnoName(-answer), [], ` for "${entry.name}"`),
    )
  }
  return { keep: () => guard.dismiss(), [Symbol.dispose]: () => guard[Symbol.dispose]() }
}
