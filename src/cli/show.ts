import { existsSync, statSync } from "node:fs"
import { join } from "node:path"
import { ioFailure } from "../image/failure.ts"
import { showFile } from "./show-file.ts"
import { showSet } from "./show-set.ts"

/** What to show of a path. */
export interface ShowOptions {
  /** Complete machine form instead of text. */
  readonly json: boolean
  /** One image of a directory, with or without ".img". */
  readonly image?: string | undefined
}

/**
 * A directory of images, or one image, in readable form without a final newline.
 *
 * @throws CheckpointError E_IMAGE_MISSING, E_IMAGE_CORRUPT, E_IMAGE_VERSION, E_IMAGE_UNSUPPORTED, E_DIRECTORY
 */
export function show(path: string, { json, image }: ShowOptions): string {
  if (image !== undefined) {
    const exact = join(path, image)
    return showFile(existsSync(exact) ? exact : `${exact}.img`, json)
  }
  return isDirectory(path) ? showSet(path, json) : showFile(path, json)
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch (error) {
    throw ioFailure(`Cannot show ${path}`, error)
  }
}
