import { existsSync, readFileSync } from "../../ffi/fs.ts"

/**
 * A number of /proc/sys, which a container's /proc may lack (subset=pid). Man page: proc(5)
 *
 * @param name below /proc/sys   @param usual what a kernel starts with, for who cannot read it
 */
export function readSysctl(name: string, usual: number): number {
  const path = `/proc/sys/${name}`
  return existsSync(path) ? Number(readFileSync(path, "latin1")) : usual
}
