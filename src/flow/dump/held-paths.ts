import { basename, dirname } from "node:path"
import { O } from "../../../ffi/abi/file.ts"
import { openSync } from "../../../ffi/fs.ts"
import { CheckpointError } from "../../base/errors.ts"
import type { DumpOptions } from "../options.ts"

/** Options that name more outside than a directory: it cannot be reached once other namespaces are entered. */
const UNREACHABLE = {
  actionScripts: "--action-script",
  cgroupPropsFiles: "--cgroup-props-file",
  freezeCgroup: "--freeze-cgroup",
} as const

/** The directories of a dump, held open: they stay within reach when other namespaces are entered, and as long as the tool lives. */
export interface HeldPaths {
  /** With paths that lead there from anywhere. */
  readonly options: DumpOptions
  /** A text with such paths -> the same with the paths that were given. */
  asGiven(text: string): string
}

/**
 * Opens the directories that a dump writes to. They are closed by the end of the tool.
 *
 * @throws CheckpointError E_DIRECTORY one does not exist · E_OPTION_UNSUPPORTED an option that needs more of the outside
 */
export function holdPaths(options: DumpOptions): HeldPaths {
  for (const [name, option] of Object.entries(UNREACHABLE))
    if (options[name as keyof typeof UNREACHABLE]?.length)
      throw new CheckpointError(
        "E_OPTION_UNSUPPORTED",
        `Cannot dump process ${options.pid}`,
        `it is in other namespaces, from where ${option} cannot be followed`,
        "Leave the option out, or run stasis inside (nsenter)",
      )
  const paths = new Map<string, string>()
  const held = (path: string): string => {
    const folder = `/proc/self/fd/${openFolder(dirname(path))}`
    const reached = path === "/" ? folder : `${folder}/${basename(path)}`
    paths.set(reached, path)
    return reached
  }
  const imagesDir = held(options.imagesDir)
  const workDir = options.workDir === options.imagesDir ? imagesDir : held(options.workDir)
  const { pidfile: given } = options
  // The directory of the images may not be there yet.
  const pidfile = given && (dirname(given) === options.imagesDir ? `${imagesDir}/${basename(given)}` : held(given))
  return {
    options: { ...options, imagesDir, workDir, pidfile },
    asGiven: (text) => [...paths].reduce((told, [reached, path]) => told.replaceAll(reached, path), text),
  }
}

function openFolder(path: string): number {
  try {
    return openSync(path, O.PATH | O.DIRECTORY | O.CLOEXEC)
  } catch (error) {
    throw new CheckpointError("E_DIRECTORY", `Cannot use directory ${path}`, "it cannot be opened", "Create it, or name another", error)
  }
}

/** A failure whose texts name paths as they were given; what is no CheckpointError as it is. */
export function failureAsGiven(error: unknown, { asGiven }: HeldPaths): unknown {
  if (!(error instanceof CheckpointError)) return error
  return new CheckpointError(error.code, asGiven(error.action), asGiven(error.found), asGiven(error.next), error.cause)
}
