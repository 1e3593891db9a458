import type { file_entry } from "../../../../proto/gen/fdinfo_pb.ts"
import { Program } from "../../../tracee/program.ts"
import type { FileImages } from "../images.ts"
import type { SharedNumbers } from "../restore-shared.ts"
import { isDeparted, makeSharedPidfd, takeSharedPidfds } from "./restore.ts"

/** Shared files that lead to processes of the tree, with their reserved numbers. */
const livingPidfds = ({ shared }: Pick<SharedNumbers, "shared">, files: FileImages["files"]): [file_entry, number][] =>
  [...shared].flatMap(([id, number]): [file_entry, number][] => {
    const file = files.get(id)
    return file?.pidfd && !isDeparted(file) ? [[file, number]] : []
  })

/** Whether some are to be made. */
export const hasSharedPidfds = (numbers: Pick<SharedNumbers, "shared">, files: FileImages["files"]): boolean =>
  livingPidfds(numbers, files).length > 0

/** The making of shared process descriptors, for the root to run. Precondition: every process is born. */
export function makeSharedPidfds(numbers: Pick<SharedNumbers, "shared">, files: FileImages["files"]): Program {
  const program = new Program()
  for (const [file, number] of livingPidfds(numbers, files)) makeSharedPidfd(file, number, program)
  return program
}

/** What brings them from the root into another process. Precondition: `makeSharedPidfds` has run. */
export function inheritSharedPidfds(root: number, numbers: Pick<SharedNumbers, "shared">, files: FileImages["files"]): Program {
  const program = new Program()
  const living = livingPidfds(numbers, files).map(([, number]) => number)
  takeSharedPidfds(root, living, program)
  return program
}
