import { type task_rlimits_entry, task_rlimits_entrySchema } from "../../../proto/gen/core_pb.ts"
import { rlimit_entrySchema } from "../../../proto/gen/rlimit_pb.ts"
import { create } from "../../../proto/schema.ts"
import type { Limit } from "../../proc/limits.ts"

/** The 16 limits of a process, the index is the RLIMIT_ number; 2^64 - 1 = unlimited. Mirror: ./restore.ts */
export const collectLimits = (limits: readonly Limit[]): task_rlimits_entry =>
  create(task_rlimits_entrySchema, { rlimits: limits.map(({ soft, hard }) => create(rlimit_entrySchema, { cur: soft, max: hard })) })
