import { BPF, BPF_F, BPF_NAME, bpfBatch, bpfElement, bpfGetId, bpfGetInfo, bpfMapCreate } from "../../../../ffi/abi/bpf.ts"
import { O } from "../../../../ffi/abi/file.ts"
import { rlimit64 } from "../../../../ffi/abi/resource.ts"
import { encode } from "../../../../ffi/layout.ts"
import type { bpfmap_file_entry } from "../../../../proto/gen/bpfmap-file_pb.ts"
import { CheckpointError } from "../../../base/errors.ts"
import { LIMIT, RLIM_INFINITY } from "../../../proc/limits.ts"
import type { Data, Program, Result } from "../../../tracee/program.ts"
import type { BpfMapData } from "../payloads.ts"
import type { Restoring } from "../restoring.ts"
import { KEPT_TYPES, MOST_CONTENT } from "./ask.ts"

const textOf = ({ map_id, map_name }: bpfmap_file_entry): string => `BPF map ${map_id}${map_name ? ` "${map_name}"` : ""}`

/** What of an entry and its content no map can have; undefined when it is well. */
export function faultOfBpfMap(
  { map_type, key_size, value_size, max_entries, map_name }: bpfmap_file_entry,
  data: BpfMapData | undefined,
): string | undefined {
  if (!KEPT_TYPES.has(map_type)) return `it is of type ${map_type}, known are ${[...KEPT_TYPES].join(" and ")}`
  if (key_size === 0 || value_size === 0 || max_entries === 0)
    return `it has keys of ${key_size} bytes, values of ${value_size}, and room for ${max_entries}`
  if (map_name.length >= BPF_NAME) return `its name has ${map_name.length} letters`
  if (!data) return undefined
  const { keys_bytes, values_bytes, count } = data.message
  if (keys_bytes === count * key_size && values_bytes === count * value_size && count <= max_entries) return undefined
  return `its content is ${count} entries in ${keys_bytes} and ${values_bytes} bytes, which do not fit it`
}

/** Checks that the contents of all maps fit into a program. @throws CheckpointError E_IMAGE_UNSUPPORTED */
export function checkContents(all: Iterable<BpfMapData>): void {
  const bytes = [...all].reduce((sum, { payload }) => sum + payload.length, 0)
  if (bytes <= MOST_CONTENT) return
  throw new CheckpointError(
    "E_IMAGE_UNSUPPORTED",
    "Cannot restore the BPF maps of this set",
    `they hold ${Math.floor(bytes / 2 ** 20)} MiB, where at most ${MOST_CONTENT / 2 ** 20} can be restored`,
    "Restore this set with CRIU",
  )
}

/** Runs `make` with no limit of locked memory, which maps count towards before Linux 5.11; afterwards it is as it was. */
function unlimited(make: () => Result, program: Program): Result {
  const before = program.room(rlimit64.size)
  const none = program.bytes(encode(rlimit64, { rlim_cur: RLIM_INFINITY, rlim_max: RLIM_INFINITY }))
  program.call("prlimit64", 0, LIMIT.MEMLOCK, 0, before)
  program.callWith({ mayFail: true }, "prlimit64", 0, LIMIT.MEMLOCK, none, 0)
  const made = make()
  program.call("prlimit64", 0, LIMIT.MEMLOCK, before, 0)
  return made
}

function create(entry: bpfmap_file_entry, program: Program, about: string): Result {
  const { map_type, key_size, value_size, max_entries, map_flags, map_name, ifindex: map_ifindex, map_extra = 0n } = entry
  const attr = encode(bpfMapCreate, { map_type, key_size, value_size, max_entries, map_flags, map_ifindex, map_extra })
  attr.set(Buffer.from(map_name, "latin1"), bpfMapCreate.fields.map_name[0])
  return program.callWith({ about }, "bpf", BPF.MAP_CREATE, program.bytes(attr), attr.length)
}

/** Appends the filling of a map. @param number of an open file of it that may write */
function fill({ message, payload }: BpfMapData, number: number, program: Program, about: string): void {
  const { keys_bytes, count } = message
  if (count === 0) return
  const attr = program.bytes(encode(bpfBatch, { count, map_fd: number }))
  program.point(attr, bpfBatch.fields.keys[0], program.bytes(payload.subarray(0, keys_bytes)))
  program.point(attr, bpfBatch.fields.values[0], program.bytes(payload.subarray(keys_bytes)))
  program.callWith({ about: `the content of ${about}` }, "bpf", BPF.MAP_UPDATE_BATCH, attr, bpfBatch.size)
}

/** Bytes of what the kernel tells first of a map: its type, then its ID. */
const [HEAD, ID_AT] = [8, 4]

/** Appends one more open file of a map: the kernel writes its ID to where the next call reads it. @param number of one that is there */
function openAgain(number: number, access: number, program: Program, about: string): Result {
  const open_flags = access === O.RDONLY ? BPF_F.RDONLY : access === O.WRONLY ? BPF_F.WRONLY : 0
  const told = program.bytes(Uint8Array.of(...new Uint8Array(ID_AT), ...encode(bpfGetId, { open_flags })))
  const question = program.bytes(encode(bpfGetInfo, { bpf_fd: number, info_len: HEAD }))
  program.point(question, bpfGetInfo.fields.info[0], told)
  program.callWith({ about }, "bpf", BPF.OBJ_GET_INFO_BY_FD, question, bpfGetInfo.size)
  const id: Data = { kind: "data", offset: told.offset + ID_AT, size: told.size - ID_AT }
  return program.callWith({ about: `another open file of ${about}` }, "bpf", BPF.MAP_GET_FD_BY_ID, id, bpfGetId.size)
}

/**
 * An entry -> an open map appended to the program. Mirror: ./collect.ts. The first file of a map makes it, with its content, and freezes
 * it; others are opened by its ID, as is the first if it may only read or only write. Needs CAP_SYS_ADMIN for that, and Linux 5.6 for the
 * content.
 */
export function restoreBpfMap(
  entry: bpfmap_file_entry,
  { program, users, bpfMaps, bpfMapsData }: Pick<Restoring, "program" | "users" | "bpfMaps" | "bpfMapsData">,
): Result {
  const { id, map_id, flags, frozen } = entry
  const about = textOf(entry)
  const access = flags & O.ACCMODE
  const known = bpfMaps.get(map_id)
  if (known !== undefined) return openAgain(known, access, program, about)
  // Arguments of bpf(2) stand in memory, where only numbers that are known before can be written.
  const number = users.get(id)?.[0]?.fd
  if (number === undefined) throw new Error(`Unreachable: map ${map_id} is restored without a descriptor`)
  bpfMaps.set(map_id, number)
  const fd = unlimited(() => create(entry, program, about), program)
  program.callWith({ about: `fd ${number}` }, "dup3", fd, number, 0)
  const data = bpfMapsData.get(map_id)
  if (data) fill(data, number, program, about)
  if (frozen) program.callWith({ about }, "bpf", BPF.MAP_FREEZE, program.bytes(encode(bpfElement, { map_fd: number }).slice(0, 4)), 4)
  if (access === O.RDWR) return fd
  program.call("close", fd)
  return openAgain(number, access, program, about)
}
