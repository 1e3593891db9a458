import { rlimit64 } from "../../../ffi/abi/resource.ts"
import { encode } from "../../../ffi/layout.ts"
import type { task_rlimits_entry } from "../../../proto/gen/core_pb.ts"
import { damagedImage } from "../../base/errors.ts"
import { LIMIT_NAMES, type Limit, RLIM_INFINITY } from "../../proc/limits.ts"
import type { Program } from "../../tracee/program.ts"

/**
 * Appends the limits of a process to the program of any one of its threads. Mirror: ./collect.ts
 *
 * @param current limits that the process has inherited: what is right already is not set again
 * @throws CheckpointError E_IMAGE_CORRUPT more limits than exist
 *
 * Preconditions: memory, descriptors, threads and the queued signals of all threads are in place, since limits may be below what is in use;
 * CAP_SYS_RESOURCE is not yet dropped. Without it limits can only go down: a call that fails names the limit. Kernel: kernel/sys.c
 * do_prlimit()
 */
export function restoreLimits({ rlimits }: task_rlimits_entry, program: Program, current: readonly Limit[]): void {
  if (rlimits.length > LIMIT_NAMES.length)
    throw damagedImage("Cannot restore resource limits", `the core image has ${rlimits.length} of them, there are ${LIMIT_NAMES.length}`)
  for (const [resource, { cur, max }] of rlimits.entries()) {
    const soft = cur > max ? max : cur
    const now = current[resource]
    if (now && now.soft === soft && now.hard === max) continue
    const about = `limit "${LIMIT_NAMES[resource]}" ${shown(soft)} of ${shown(max)}${now && max > now.hard ? `: raising it above ${shown(now.hard)} needs CAP_SYS_RESOURCE` : ""}`
    program.callWith({ about }, "prlimit64", 0, resource, program.bytes(encode(rlimit64, { rlim_cur: soft, rlim_max: max })), 0)
  }
}

const shown = (value: bigint): string => (value === RLIM_INFINITY ? "unlimited" : `${value}`)
