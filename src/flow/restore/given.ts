import { attempt } from "../../../ffi/syscall.ts"
import { logger } from "../../base/log.ts"
import { type GivenFd, matchGiven } from "../../kinds/files/external.ts"
import { isPipeFd } from "../../kinds/files/given-check.ts"
import type { Given } from "../../kinds/files/restoring.ts"
import type { SavedTree } from "../images.ts"
import type { RestoreOptions } from "../options.ts"
import type { ServiceDescriptors } from "./descriptors.ts"

const log = logger("restore")

/**
 * Finds what descriptors of the tool stand for (--inherit-fd). One that names nothing of the images is no failure: whoever restores may not
 * know which of his were in use, as with CRIU.
 *
 * @returns by file id   Precondition: `checkGivenFd` has passed.
 */
export function findGiven({ processes, root }: SavedTree, inheritFds: readonly GivenFd[]): ReadonlyMap<number, GivenFd> {
  const flying = root.files.skQueues.flatMap(({ message }) => message.scm.flatMap(({ rights }) => rights))
  const used = new Set([...processes.flatMap(({ files: { fdinfos } }) => fdinfos.map(({ id }) => id)), ...flying])
  const { files, strays } = matchGiven(inheritFds, used, root.files.files, root.files.ttyInfos)
  for (const { fd, resource } of strays) log.warn(`fd[${fd}] is not used: no open file of the images is "${resource}"`)
  return files
}

/** What new processes have of what is given: files that are opened anew by the way of a descriptor, and all others. */
export interface SharedGiven {
  /** By file id. */
  readonly given: ReadonlyMap<number, Given>
  /** Numbers of files that were left outside (--external): opened with their own flags, and at their own place. */
  readonly opened: ReadonlyMap<number, number>
}

/** Gives new processes what is given to the tool. @returns their numbers there, by file id */
export function shareGiven(
  { root }: SavedTree,
  found: ReadonlyMap<number, GivenFd>,
  services: Pick<ServiceDescriptors, "share">,
): SharedGiven {
  const numbers = new Map<number, number>()
  const all = [...found].map(([id, { fd }]) => {
    const number = numbers.getOrInsertComputed(fd, () => services.share(fd))
    return { id, number, isPipe: isPipeFd(fd), isNew: root.files.files.get(id)?.reg?.ext === true }
  })
  return {
    given: new Map(all.flatMap(({ id, number, isPipe, isNew }) => (isNew ? [] : [[id, { number, isPipe }] as const]))),
    opened: new Map(all.flatMap(({ id, number, isNew }) => (isNew ? [[id, number] as const] : []))),
  }
}

/**
 * Closes what was given: the other end of a pipe is to learn when the tree closes its own. Standard descriptors stay, for what we print.
 */
export function dropGiven({ inheritFds, statusFd }: Pick<RestoreOptions, "inheritFds" | "statusFd">): void {
  for (const fd of new Set(inheritFds.map((one) => one.fd))) if (fd > 2 && fd !== statusFd) attempt("close", fd)
}
