import { O, S_IF } from "../../../../ffi/abi/file.ts"
import { deviceResource } from "../external.ts"
import type { Found, Reason, Surveying } from "../kind.ts"
import { kindOf } from "../stat.ts"
import { refuseRegular } from "./collect.ts"

/** Device nodes that may keep something for who has opened them. */
export const isDevice = ({ target, stat, flags }: Found): boolean =>
  target.startsWith("/") && (flags & O.PATH) === 0 && [S_IF.CHR, S_IF.BLK].some((kind) => kind === kindOf(stat.mode))

/** Devices are opened anew by their paths, which loses what a driver keeps for each opener: only where whoever dumps says so. */
export function refuseDevice(found: Found, surveying: Pick<Surveying, "keeping" | "externals">): Reason | undefined {
  const resource = deviceResource(found)
  if (surveying.externals?.some((one) => one === resource || one.startsWith(`${resource}:`))) return refuseRegular(found, surveying)
  const what = `a ${kindOf(found.stat.mode) === S_IF.BLK ? "block " : ""}device ("${found.target}")`
  const remedy = `Let the program close the device before the dump; or give --external '${resource}', and it is opened anew at restore`
  return { what, remedy }
}
