import { S_IF } from "../../../../ffi/abi/file.ts"
import { fd_types } from "../../../../proto/gen/fdinfo_pb.ts"
import type { tunfile_entry } from "../../../../proto/gen/tun_pb.ts"
import type { Collecting, Found, OpenFile, Reason } from "../collecting.ts"
import { refuseName } from "../name.ts"
import { kindOf } from "../stat.ts"
import { fileFacts } from "../table.ts"

/** Device that makes network interfaces. Documentation/admin-guide/devices.txt */
const MISC_MAJOR = 10
const TUN_MINOR = 200

/** /dev/net/tun. */
export const isTun = ({ stat }: Found): boolean =>
  kindOf(stat.mode) === S_IF.CHR && stat.rdevMajor === MISC_MAJOR && stat.rdevMinor === TUN_MINOR

/** One that has made an interface, or is attached to one. Kernel: drivers/net/tun.c tun_chr_show_fdinfo() */
export function refuseTun({ target, stat, info }: Found): Reason | undefined {
  const device = info.has("iff") ? info.text("iff") : ""
  if (device === "") return refuseName(target, stat)
  return { what: `the network interface "${device}" of "${target}"`, remedy: "Let the program close the interface before the dump" }
}

/**
 * An open /dev/net/tun without an interface -> its entry; its path, flags and owner go to an entry of an ordinary file, which has the same
 * id: CRIU's images have it so. Mirror: ./restore.ts
 */
export function collectTun({ id, flags, owner, info, target, stat }: OpenFile, { table }: Pick<Collecting, "table">): tunfile_entry {
  const reg = { id, flags, pos: BigInt.asUintN(64, info.pos), fown: owner, ...fileFacts(target, stat, flags), build_id: [] }
  table.add({ type: fd_types.REG, id, reg })
  return { id }
}
