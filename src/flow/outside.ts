import { basename, dirname } from "node:path"
import { O } from "../../ffi/abi/file.ts"
import { openSync } from "../../ffi/fs.ts"
import { CheckpointError } from "../base/errors.ts"
import type { DumpOptions } from "./options.ts"

/** Options that name something outside, which cannot be reached once other namespaces are entered. */
const LEFT_OUTSIDE = {
  actionScripts: "--action-script",
  cgroupPropsFiles: "--cgroup-props-file",
  freezeCgroup: "--freeze-cgroup",
} as const

/** A dump's options with its paths as they are reached from other namespaces, and texts about those with the paths as they were given. */
export interface Outside {
  readonly options: DumpOptions
  named(text: string): string
}

/**
 * Opens the directories that a dump writes to.
 *
 * @throws CheckpointError E_DIRECTORY one does not exist · E_OPTION_UNSUPPORTED an option that needs more of the outside
 */
export function holdOutside(options: DumpOptions): Outside {
  for (const [name, option] of Object.entries(LEFT_OUTSIDE))
    if (options[name as keyof typeof LEFT_OUTSIDE]?.length)
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
  const pidfile = options.pidfile === undefined ? undefined : held(options.pidfile)
  return {
    options: { ...options, imagesDir, workDir, pidfile },
    named: (text) => [...paths].reduce((told, [reached, path]) => told.replaceAll(reached, path), text),
  }
}

function openFolder(path: string): number {
  try {
    return openSync(path, O.PATH | O.DIRECTORY | O.CLOEXEC)
  } catch (error) {
    throw new CheckpointError("E_DIRECTORY", `Cannot use directory ${path}`, "it cannot be opened", "Create it, or name another", error)
  }
}

/** A failure whose texts name paths as they were given. */
export function renamed(error: unknown, { named }: Outside): unknown {
  if (!(error instanceof CheckpointError)) return error
  return new CheckpointError(error.code, named(error.action), named(error.found), named(error.next), error.cause)
}
