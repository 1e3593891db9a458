import { readFdInfoIfOpen } from "../../../proc/fdinfo.ts"
import type { Other } from "../../../proc/outside.ts"
import { isMap, mapId } from "./collect.ts"

/** IDs of the BPF maps that a process has open. Names of maps in a file system of BPF are not seen. */
export const openMaps = ({ pid, descriptors }: Other): number[] =>
  descriptors.filter(isMap).flatMap(({ fd }) => {
    const info = readFdInfoIfOpen(pid, fd)
    return info?.has("map_id") ? [mapId({ info })] : []
  })
