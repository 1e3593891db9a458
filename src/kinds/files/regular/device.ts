import { O, S_IF } from "../../../../ffi/abi/file.ts"
import type { Found, Reason, Surveying } from "../collecting.ts"
import { deviceResource } from "../external.ts"
import { kindOf } from "../stat.ts"
import { refuseRegular } from "./collect.ts"

/** Device nodes that may keep something for who has opened them. */
export const isDevice = ({ target, stat, flags }: Found): boolean =>
  target.startsWith("/") && (flags & O.PATH) === 0 && [S_IF.CHR, S_IF.BLK].some((kind) => kind === kindOf(stat.mode))

/**
 * Devices that are bound to what their openers made by them: opened anew, they would be bound to nothing.
 * Documentation/admin-guide/devices.txt
 */
const BOUND = [
  {
    name: /^\/dev\/fuse$/,
    what: "the connection of a FUSE file system",
    remedy: "Unmount the file system before the dump, or dump another part of the tree than its server",
  },
  { name: /^\/dev\/userfaultfd$/, what: "a maker of page-fault handlers", remedy: "Let the program close it before the dump" },
  { name: /^\/dev\/kvm$/, what: "the door to virtual machines", remedy: "Save the guest with the virtual machine's own tools" },
] as const

/** Devices are opened anew by their paths, which loses what a driver keeps for each opener: only where whoever dumps says so. */
export function refuseDevice(found: Found, surveying: Pick<Surveying, "keeping" | "externals">): Reason | undefined {
  const resource = deviceResource(found)
  if (surveying.externals?.some((one) => one === resource || one.startsWith(`${resource}:`))) return refuseRegular(found, surveying)
  const bound = BOUND.find(({ name }) => name.test(found.target))
  if (bound) return { what: `${bound.what} ("${found.target}")`, remedy: bound.remedy }
  const what = `a ${kindOf(found.stat.mode) === S_IF.BLK ? "block " : ""}device ("${found.target}")`
  const remedy = `Let the program close the device before the dump; or give --external '${resource}', and it is opened anew at restore`
  return { what, remedy }
}
