import { readFdInfoIfOpen } from "../../../proc/fdinfo.ts"
import type { Other } from "../../../proc/outside.ts"
import { bpfMapId, isBpfMap } from "./collect.ts"

/** IDs of the BPF maps that a process has open. Names of maps in a file system of BPF are not seen. */
export const openBpfMaps = ({ pid, descriptors }: Other): number[] =>
  descriptors.filter(isBpfMap).flatMap(({ fd }) => {
    const info = readFdInfoIfOpen(pid, fd)
    return info?.has("map_id") ? [bpfMapId({ info })] : []
  })
