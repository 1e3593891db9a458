import { closeSync, unlinkSync } from "../../../ffi/fs.ts"
import { logger } from "../../base/log.ts"
import { makeGhosts } from "../../kinds/files/ghost/make.ts"
import type { FileImages } from "../../kinds/files/images.ts"
import type { ServiceDescriptors } from "./descriptors.ts"

const log = logger("restore")

/**
 * Makes the deleted files of a set, and shares them.
 *
 * @returns their numbers in the new processes, by file id   @throws CheckpointError E_RESTORE, E_DISK_FULL; nothing is left then
 */
export function shareGhosts({ files, ghosts }: Pick<FileImages, "files" | "ghosts">, services: ServiceDescriptors): Map<number, number> {
  const wanted = [...ghosts].map(([id, ghost]) => ({ ghost, name: files.get(id)?.reg?.name ?? "", flags: files.get(id)?.reg?.flags ?? 0 }))
  const made = makeGhosts(wanted)
  try {
    const numbers = new Map([...made].map(([number, fd]) => [number, services.share(fd)]))
    return byFile(ghosts, (number) => numbers.get(number))
  } finally {
    for (const fd of made.values()) closeSync(fd)
  }
}

/** Numbers as `shareGhosts` gives them, for files that are not made. */
export function reserveGhosts({ ghosts }: Pick<FileImages, "ghosts">, services: Pick<ServiceDescriptors, "reserve">): Map<number, number> {
  const numbers = new Map<number, number>()
  return byFile(ghosts, (number) => numbers.getOrInsertComputed(number, () => services.reserve()))
}

/** Removes the names that a dump gave to files (--link-remap), when the tree has them open: as CRIU, after a successful restore only. */
export function dropLinks({ ghosts }: Pick<FileImages, "ghosts">): void {
  for (const path of new Set([...ghosts.values()].flatMap(({ source }) => source ?? [])))
    try {
      unlinkSync(path)
    } catch (error) {
      log.warn(`"${path}" stays, which a dump made (--link-remap): ${String(error)}`)
    }
}

function byFile(ghosts: FileImages["ghosts"], numberOf: (ghost: number) => number | undefined): Map<number, number> {
  return new Map(
    [...ghosts].map(([id, { number }]) => {
      const reserved = numberOf(number)
      if (reserved === undefined) throw new Error(`Unreachable: deleted file ${number} was not made`)
      return [id, reserved]
    }),
  )
}
