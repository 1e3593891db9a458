import { join } from "node:path"
import { existsSync, statSync } from "../../ffi/fs.ts"
import { CheckpointError } from "../base/errors.ts"
import { showFile } from "./show-file.ts"
import { showSet } from "./show-set.ts"

/** What to show of a path. */
interface ShowOptions {
  /** Complete machine form instead of text. */
  readonly json: boolean
  /** One image of a directory, with or without ".img". */
  readonly image?: string | undefined
}

function existing(path: string): string {
  if (existsSync(path)) return path
  const next = 'Name a directory with images ("stasis show DIR" lists them), or one image'
  throw new CheckpointError("E_IMAGE_MISSING", `Cannot show ${path}`, "there is no such file or directory", next)
}

/**
 * A directory of images, or one image, in readable form without a final newline.
 *
 * @throws CheckpointError E_IMAGE_MISSING, E_IMAGE_CORRUPT, E_IMAGE_VERSION, E_IMAGE_UNSUPPORTED, E_DIRECTORY
 */
export function show(path: string, { json, image }: ShowOptions): string {
  if (image !== undefined) {
    const exact = join(path, image)
    return showFile(existing(existsSync(exact) ? exact : `${exact}.img`), json)
  }
  return statSync(existing(path)).isDirectory() ? showSet(path, json) : showFile(path, json)
}
