import { layout } from "../layout.ts"

/** Commands of bpf(2). Header: include/uapi/linux/bpf.h enum bpf_cmd */
export const BPF = {
  MAP_CREATE: 0,
  MAP_LOOKUP_ELEM: 1,
  MAP_UPDATE_ELEM: 2,
  MAP_GET_NEXT_KEY: 4,
  PROG_GET_NEXT_ID: 11,
  PROG_GET_FD_BY_ID: 13,
  MAP_GET_FD_BY_ID: 14,
  OBJ_GET_INFO_BY_FD: 15,
  MAP_FREEZE: 22,
  MAP_LOOKUP_BATCH: 24,
  MAP_UPDATE_BATCH: 26,
} as const
/** Kinds of maps by their numbers, in their order. Header: include/uapi/linux/bpf.h enum bpf_map_type */
export const BPF_MAP_TYPES = [
  "UNSPEC",
  "HASH",
  "ARRAY",
  "PROG_ARRAY",
  "PERF_EVENT_ARRAY",
  "PERCPU_HASH",
  "PERCPU_ARRAY",
  "STACK_TRACE",
  "CGROUP_ARRAY",
  "LRU_HASH",
  "LRU_PERCPU_HASH",
  "LPM_TRIE",
  "ARRAY_OF_MAPS",
  "HASH_OF_MAPS",
  "DEVMAP",
  "SOCKMAP",
  "CPUMAP",
  "XSKMAP",
  "SOCKHASH",
  "CGROUP_STORAGE",
  "REUSEPORT_SOCKARRAY",
  "PERCPU_CGROUP_STORAGE",
  "QUEUE",
  "STACK",
  "SK_STORAGE",
  "DEVMAP_HASH",
  "STRUCT_OPS",
  "RINGBUF",
  "INODE_STORAGE",
  "TASK_STORAGE",
  "BLOOM_FILTER",
] as const
export const BPF_MAP_TYPE = { HASH: 1, ARRAY: 2 } as const
/** What an open file of a map may not do. Header: include/uapi/linux/bpf.h */
export const BPF_F = { RDONLY: 8, WRONLY: 0x10 } as const
/** Bytes of a name. Header: include/uapi/linux/bpf.h BPF_OBJ_NAME_LEN */
export const BPF_NAME = 16

/**
 * Argument of MAP_CREATE; `map_name` is the first byte of a name. Every argument is a part of one union, of which bpf(2) takes the first
 * bytes.
 */
export const bpfMapCreate = layout("union bpf_attr", "include/uapi/linux/bpf.h", 72, {
  map_type: [0, "u32"],
  key_size: [4, "u32"],
  value_size: [8, "u32"],
  max_entries: [12, "u32"],
  map_flags: [16, "u32"],
  map_name: [28, "u8"],
  map_ifindex: [44, "u32"],
  map_extra: [64, "u64"],
})
/** Argument of MAP_LOOKUP_ELEM and MAP_GET_NEXT_KEY, whose next key stands where the value does; of MAP_FREEZE the first member. */
export const bpfElement = layout("union bpf_attr", "include/uapi/linux/bpf.h", 32, {
  map_fd: [0, "u32"],
  key: [8, "u64"],
  value: [16, "u64"],
  flags: [24, "u64"],
})
/** Argument of MAP_LOOKUP_BATCH and MAP_UPDATE_BATCH. The kernel writes how many there were into `count`. */
export const bpfBatch = layout("union bpf_attr", "include/uapi/linux/bpf.h", 56, {
  in_batch: [0, "u64"],
  out_batch: [8, "u64"],
  keys: [16, "u64"],
  values: [24, "u64"],
  count: [32, "u32"],
  map_fd: [36, "u32"],
  elem_flags: [40, "u64"],
  flags: [48, "u64"],
})
/** Argument of PROG_GET_NEXT_ID, which writes `next_id`, and of what opens an object by its ID. */
export const bpfGetId = layout("union bpf_attr", "include/uapi/linux/bpf.h", 12, {
  id: [0, "u32"],
  next_id: [4, "u32"],
  open_flags: [8, "u32"],
})
/** Argument of OBJ_GET_INFO_BY_FD. */
export const bpfGetInfo = layout("union bpf_attr", "include/uapi/linux/bpf.h", 16, {
  bpf_fd: [0, "u32"],
  info_len: [4, "u32"],
  info: [8, "u64"],
})
/** Its answer for a map; `name` is the first byte of a name. */
export const bpfMapInfo = layout("struct bpf_map_info", "include/uapi/linux/bpf.h", 68, {
  type: [0, "u32"],
  id: [4, "u32"],
  name: [24, "u8"],
  ifindex: [40, "u32"],
  btf_id: [64, "u32"],
})
/** Its answer for a program. `nr_map_ids` says first for how many there is room at `map_ids`, then how many there are. */
export const bpfProgInfo = layout("struct bpf_prog_info", "include/uapi/linux/bpf.h", 80, {
  type: [0, "u32"],
  id: [4, "u32"],
  nr_map_ids: [52, "u32"],
  map_ids: [56, "u64"],
  name: [64, "u8"],
})
