import { core_entrySchema, task_kobj_ids_entrySchema } from "../../../proto/gen/core_pb.ts"
import { fdinfo_entrySchema, file_entrySchema } from "../../../proto/gen/fdinfo_pb.ts"
import { fs_entrySchema } from "../../../proto/gen/fs_pb.ts"
import { memfd_inode_entrySchema } from "../../../proto/gen/memfd_pb.ts"
import { mm_entrySchema } from "../../../proto/gen/mm_pb.ts"
import { pstree_entrySchema } from "../../../proto/gen/pstree_pb.ts"
import { stasis_task_entrySchema } from "../../../proto/gen/stasis_pb.ts"
import { tty_info_entrySchema } from "../../../proto/gen/tty_pb.ts"
import type { AnySchema } from "../../../proto/schema.ts"
import type { EntryKind, EntryOf } from "../../image/catalog.ts"
import { type Aliases, type Comparison, compareMessages, pairUp, type Rules } from "../../image/compare.ts"
import type { ImageId } from "../../image/name.ts"
import type { Entries } from "../../image/set.ts"
import { areaDifferences, joined } from "./areas.ts"
import { alias, ignore, RULES } from "./difference-rules.ts"
import { seccompDifferences } from "./seccomp-differences.ts"

/** What is compared, by process. */
interface Compared {
  readonly pid: number
  readonly threads: readonly number[]
  /** Threads whose wait ends with time. */
  readonly sleepers: ReadonlySet<number>
  /** Ids of its descriptor table. */
  readonly tables: readonly [saved: number, now: number]
}

/** Signals that are queued for a thread, its process's included. */
const queued = (entries: Entries, pid: number, tid: number): number =>
  (entries("core", pid)[0]?.tc?.signals_s?.signals.length ?? 0) + (entries("core", tid)[0]?.thread_core?.signals_p?.signals.length ?? 0)

/** Registers of a thread whose sleep may be over by now, or whose call a signal ends that has come since. */
const SLEEPER_RULES: Rules = { ...RULES, "user_x86_regs_entry.ax": ignore, "user_x86_regs_entry.ip": ignore }

/** A job of another shell: sessions and groups are that one's, and tell apart what they told apart. */
const JOB_RULES: Rules = {
  ...RULES,
  "pstree_entry.sid": alias("session"),
  "pstree_entry.pgid": alias("group"),
  "tty_info_entry.sid": alias("session"),
  "tty_info_entry.pgrp": alias("group"),
}

/** What is compared, and how. */
export interface Scope {
  readonly processes: readonly Compared[]
  /** PIDs of zombies. */
  readonly dead: readonly number[]
  readonly shellJob: boolean
  /** See Comparison. */
  readonly complete: boolean
  /** Filled in: numbers that the images and the tree have for one object. */
  readonly aliases: Aliases
}

/** Compares entry by entry what two dumps say of one tree. @returns one text a difference */
export function treeDifferences(saved: Entries, now: Entries, { processes, dead, shellJob, complete, aliases }: Scope): string[] {
  const how: Comparison = { rules: shellJob ? JOB_RULES : RULES, aliases, complete }
  const list = <K extends EntryKind>(
    kind: K,
    schema: AnySchema,
    ids: readonly [ImageId, ImageId],
    key: keyof EntryOf<K>,
    where: string,
  ): string[] =>
    pairUp(saved(kind, ids[0]), now(kind, ids[1]), (entry) => entry[key]).flatMap(({ key: name, was, is }) =>
      was ? compareMessages(schema, was, is, how, `${where} ${name}`) : [`${where} ${name}: was not there`],
    )
  const one = (kind: EntryKind, schema: AnySchema, id: number, where: string, rules = how.rules): string[] => {
    const [entry] = saved(kind, id)
    return entry ? compareMessages(schema, entry, now(kind, id)[0], { ...how, rules }, where) : []
  }
  const joint = (entry: EntryOf<"stasis-core"> | undefined) => entry && { ...entry, vmas: joined(entry.vmas) }
  const own = (pid: number): string[] => {
    const [was, is] = [joint(saved("stasis-core", pid)[0]), joint(now("stasis-core", pid)[0])]
    return was ? compareMessages(stasis_task_entrySchema, was, is, how, `process ${pid}`) : []
  }
  return [
    ...list("pstree", pstree_entrySchema, [undefined, undefined], "pid", "process"),
    ...dead.flatMap((pid) => one("core", core_entrySchema, pid, `zombie ${pid}`)),
    ...processes.flatMap(({ pid, threads, sleepers, tables }) => [
      ...threads.flatMap((tid) => {
        const woken = sleepers.has(tid) || queued(now, pid, tid) > queued(saved, pid, tid)
        return one("core", core_entrySchema, tid, `thread ${tid}`, woken ? SLEEPER_RULES : RULES)
      }),
      ...one("ids", task_kobj_ids_entrySchema, pid, `process ${pid}`),
      ...seccompDifferences(saved, now, pid, threads),
      ...one("mm", mm_entrySchema, pid, `process ${pid} mm`),
      ...areaDifferences(saved("mm", pid)[0]?.vmas ?? [], now("mm", pid)[0]?.vmas ?? [], how, `process ${pid}`),
      ...one("fs", fs_entrySchema, pid, `process ${pid} fs`),
      ...own(pid),
      ...list("fdinfo", fdinfo_entrySchema, tables, "fd", `process ${pid} descriptor`),
    ]),
    ...objectDifferences(saved, now, how),
    ...lockDifferences(saved, now),
  ]
}

/** Locks of files, each whole. */
function lockDifferences(saved: Entries, now: Entries): string[] {
  const texts = (entries: Entries) =>
    entries("filelocks", undefined).map(
      ({ pid, fd, flag, type, start, len }) => `process ${pid} fd ${fd}: a lock of kind ${flag} and type ${type} at ${start}, ${len} bytes`,
    )
  const [was, is] = [texts(saved), texts(now)]
  return [
    ...was.filter((text) => !is.includes(text)).map((text) => `${text}, is missing`),
    ...is.filter((text) => !was.includes(text)).map((text) => `${text}, was not there`),
  ]
}

/** Objects that descriptors and areas lead to, and what those lead to. */
function objectDifferences(saved: Entries, now: Entries, how: Comparison): string[] {
  const texts: string[] = []
  const files = [saved, now].map((entries) => new Map(entries("files", undefined).map((file) => [BigInt(file.id), file])))
  for (const [was, is] of how.aliases.of("file")) {
    const file = files[0]?.get(was)
    if (file) texts.push(...compareMessages(file_entrySchema, file, files[1]?.get(is), how, `open file ${was}`))
  }
  const rows = [
    ["tty", "tty-info", tty_info_entrySchema, "id"],
    ["memory", "memfd", memfd_inode_entrySchema, "inode_id"],
  ] as const
  for (const [space, kind, schema, key] of rows) {
    const numberOf = (entry: object): bigint => BigInt((entry as Record<string, number | bigint>)[key] ?? -1)
    const tables = [saved, now].map((entries) => new Map(entries(kind, undefined).map((entry) => [numberOf(entry), entry] as const)))
    for (const [was, is] of how.aliases.of(space)) {
      const entry = tables[0]?.get(was)
      if (entry) texts.push(...compareMessages(schema, entry, tables[1]?.get(is), how, `${space} ${was}`))
    }
  }
  return texts
}
