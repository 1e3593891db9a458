import type { task_rlimits_entry } from "../../../proto/gen/core_pb.ts"
import { LIMIT, LIMIT_NAMES, type Limit, RLIM_INFINITY } from "../../proc/limits.ts"
import { readSysctl } from "../../proc/sysctl.ts"

/** What whoever restores may do with limits. */
interface LimitRights {
  /** CAP_SYS_RESOURCE: hard limits may go up. */
  readonly mayRaise: boolean
  /** fs.nr_open: nobody may have more open files. Documentation/admin-guide/sysctl/fs.rst */
  readonly mostFiles: bigint
}

/** fs.nr_open of this machine. */
export const readMostFiles = (): bigint => BigInt(readSysctl("fs/nr_open", 0x100000))

/**
 * Limits of an image that cannot be set here, a line each; none when all can. Kernel: kernel/sys.c do_prlimit()
 *
 * @param current limits that a new process inherits
 */
export function unsettableLimits(
  { rlimits }: task_rlimits_entry,
  current: readonly Limit[],
  { mayRaise, mostFiles }: LimitRights,
): string[] {
  return rlimits.flatMap(({ cur, max }, resource) => {
    const now = current[resource]
    if (!now || (now.hard === max && now.soft === (cur > max ? max : cur))) return []
    const name = `hard limit "${LIMIT_NAMES[resource]}" of ${shown(max)}`
    if (resource === LIMIT.NOFILE && max > mostFiles) return [`${name} is above fs.nr_open, which is ${mostFiles}`]
    return max > now.hard && !mayRaise ? [`${name} is above ${shown(now.hard)}, and raising it needs CAP_SYS_RESOURCE`] : []
  })
}

const shown = (value: bigint): string => (value === RLIM_INFINITY ? "unlimited" : `${value}`)
