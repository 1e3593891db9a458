import { scratch } from "../harness/folders.ts"

/** A mounted tmpfs of its own, unmounted when the scope ends. */
export interface Mounted extends Disposable {
  readonly path: string
}

/** Mounts a tmpfs with these mount options; undefined where that is not allowed. */
export function mountTmpfs(options: string): Mounted | undefined {
  const path = scratch("tmpfs")
  if (Bun.spawnSync(["mount", "-t", "tmpfs", "-o", options, "tmpfs", path]).exitCode !== 0) return undefined
  return { path, [Symbol.dispose]: () => void Bun.spawnSync(["umount", "-l", path]) }
}
