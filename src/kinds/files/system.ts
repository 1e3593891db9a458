import { deviceOf, readMountinfo } from "../../proc/mountinfo.ts"
import { detailsOf } from "./stat.ts"

/** Finds the devices of file systems. Mounts are read once, when the first is asked for. */
export interface Systems {
  /**
   * Device of the file system that a path leads to, symbolic links followed, in the kernel's form: what the kernel tells of watches,
   * sockets and mounts. stat(2) tells that of a part of it on btrfs (subvolumes) and overlayfs (layers).
   *
   * @returns undefined before Linux 5.8, and for what no mount of ours leads to
   */
  deviceOf(path: string): number | undefined
}

/** Kernel: fs/btrfs/inode.c btrfs_getattr(), fs/overlayfs/inode.c ovl_map_dev_ino() */
export function findSystems(): Systems {
  let devices: ReadonlyMap<bigint, number> | undefined
  return {
    deviceOf(path) {
      const mount = detailsOf(path)?.mount
      if (mount === undefined) return undefined
      devices ??= new Map(readMountinfo(process.pid).map((one) => [BigInt(one.id), deviceOf(one)]))
      return devices.get(mount)
    },
  }
}
