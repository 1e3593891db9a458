import { BPF_MAP_TYPES } from "../../../../ffi/abi/bpf.ts"
import { O } from "../../../../ffi/abi/file.ts"
import type { bpfmap_file_entry } from "../../../../proto/gen/bpfmap-file_pb.ts"
import { refusedTarget } from "../../../base/errors.ts"
import type { Collecting, Found, OpenFile, Reason, Surveying } from "../collecting.ts"
import { askMap, KEPT_TYPES, lendReadable, MOST_CONTENT, readEntries } from "./ask.ts"

/** A map of BPF. Kernel: kernel/bpf/syscall.c bpf_map_new_fd() */
export const isBpfMap = ({ target }: Pick<Found, "target">): boolean => target === "anon_inode:bpf-map"

/** Number of a map in the kernel, which fdinfo tells. */
export const bpfMapId = ({ info }: Pick<Found, "info">): number => Number(info.dec("map_id"))

const typeOf = ({ info }: Pick<Found, "info">): number => Number(info.dec("map_type"))

/** Bytes of memory that a map has, at least those of its content. */
const memoryOf = ({ info }: Pick<Found, "info">): number => Number(info.dec("memlock"))

const tooLarge = (found: Pick<Found, "info" | "target">): Reason => ({
  what: `BPF map ${bpfMapId(found)} ("${found.target}") with ${Math.floor(memoryOf(found) / 2 ** 20)} MiB of memory, where at most ${MOST_CONTENT / 2 ** 20} of all maps can be kept`,
  remedy: "Let the program use a smaller map, or close it before the dump",
})

/** Maps whose content is no entries, or not theirs alone, and such as a loaded program works with: a restored one would be another. */
export function refuseBpfMap(found: Pick<Found, "info" | "target">, { usedBpfMaps }: Pick<Surveying, "usedBpfMaps">): Reason | undefined {
  const type = typeOf(found)
  const name = `BPF map ${bpfMapId(found)} ("${found.target}")`
  if (!KEPT_TYPES.has(type))
    return {
      what: `${name} of type ${BPF_MAP_TYPES[type] ?? type}: only HASH and ARRAY can be kept`,
      remedy: "Let the program pin it and close it before the dump (bpftool map pin), or use a map of another type",
    }
  if (memoryOf(found) > MOST_CONTENT) return tooLarge(found)
  const program = usedBpfMaps.get(bpfMapId(found))
  return program
    ? {
        what: `${name}, which the loaded program ${program.id} "${program.name}" uses`,
        remedy: "Unload or detach that program before the dump: a restored map would not be the one that it works with",
      }
    : undefined
}

/** An open map -> its entry; its content, once a map, goes to its own image. Mirror: ./restore.ts. Man page: bpf(2) */
export function collectBpfMap(
  file: OpenFile,
  { copies, bpfMapsData, losses }: Pick<Collecting, "copies" | "bpfMapsData" | "losses">,
): bpfmap_file_entry {
  const { id, fd, flags, owner, info } = file
  const number = (key: string): number => Number(info.dec(key))
  const hex = (key: string): bigint => (info.has(key) ? BigInt(info.text(key)) : 0n)
  const [map_id, shape] = [bpfMapId(file), { keySize: number("key_size"), valueSize: number("value_size"), most: number("max_entries") }]
  const before = [...bpfMapsData.values()].reduce((sum, { payload }) => sum + payload.length, 0)
  if (!bpfMapsData.has(map_id) && before + memoryOf(file) > MOST_CONTENT)
    throw refusedTarget(file.pid, [{ ...tooLarge(file), where: `task ${file.pid} fd ${fd}` }])
  const told = copies.lend(fd, (copy) => {
    if (!bpfMapsData.has(map_id)) {
      const canRead = (flags & O.ACCMODE) !== O.WRONLY
      const { keys, values, count } = canRead ? readEntries(copy, shape) : lendReadable(map_id, (other) => readEntries(other, shape))
      const payload = new Uint8Array(Buffer.concat([keys, values]))
      bpfMapsData.set(map_id, { message: { map_id, keys_bytes: keys.length, values_bytes: values.length, count }, payload })
    }
    return askMap(copy)
  })
  if (!told) throw new Error(`Unreachable: fd ${fd} is open`)
  const loss = `the types (BTF) of BPF map ${map_id}`
  if (told.typed && !losses.includes(loss)) losses.push(loss)
  const map_extra = hex("map_extra")
  return {
    id,
    flags,
    pos: 0n,
    fown: owner,
    map_type: typeOf(file),
    key_size: shape.keySize,
    value_size: shape.valueSize,
    map_id,
    max_entries: shape.most,
    map_flags: Number(hex("map_flags")),
    memlock: info.dec("memlock"),
    frozen: info.has("frozen") && info.dec("frozen") !== 0n,
    map_name: told.name,
    ifindex: told.ifindex,
    ...(map_extra ? { map_extra } : {}),
  }
}
