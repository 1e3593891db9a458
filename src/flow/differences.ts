import { core_entrySchema } from "../../proto/gen/core_pb.ts"
import { fdinfo_entrySchema, file_entrySchema } from "../../proto/gen/fdinfo_pb.ts"
import { fs_entrySchema } from "../../proto/gen/fs_pb.ts"
import { memfd_inode_entrySchema } from "../../proto/gen/memfd_pb.ts"
import { mm_entrySchema } from "../../proto/gen/mm_pb.ts"
import { pstree_entrySchema } from "../../proto/gen/pstree_pb.ts"
import { stasis_task_entrySchema } from "../../proto/gen/stasis_pb.ts"
import { tty_info_entrySchema } from "../../proto/gen/tty_pb.ts"
import type { vma_entry } from "../../proto/gen/vma_pb.ts"
import type { AnySchema } from "../../proto/schema.ts"
import { hex } from "../base/units.ts"
import type { EntryKind, EntryOf } from "../image/catalog.ts"
import { Aliases, type Comparison, compareMessages, pairUp, type Rule, type Rules } from "../image/compare.ts"
import type { ImageId } from "../image/name.ts"
import { VMA } from "../kinds/memory/status.ts"

const ignore: Rule = { kind: "ignore" }
const subset: Rule = { kind: "subset" }
const alias = (space: string): Rule => ({ kind: "alias", space })
const keyed = (by: string): Rule => ({ kind: "keyed", by })

/** What of a restored tree may differ from its images, field by field. */
const RULES: Rules = {
  // Numbers that each dump gives anew.
  "fdinfo_entry.id": alias("file"),
  "mm_entry.exe_file_id": alias("file"),
  "fs_entry.cwd_id": alias("file"),
  "fs_entry.root_id": alias("file"),
  "file_entry.id": alias("file"),
  "reg_file_entry.id": alias("file"),
  "pipe_entry.id": alias("file"),
  "eventfd_file_entry.id": alias("file"),
  "eventpoll_file_entry.id": alias("file"),
  "eventpoll_tfd_entry.id": alias("file"),
  "tty_file_entry.id": alias("file"),
  "inet_sk_entry.id": alias("file"),
  "inet_sk_entry.ino": alias("socket"),
  // Set when a connection is let go; and by the kernel, when a socket is bound to one address.
  "sk_opts_entry.reuseaddr": ignore,
  "inet_sk_entry.v6only": ignore,
  "memfd_file_entry.id": alias("file"),
  "stasis_file_entry.id": alias("file"),
  "tty_file_entry.regf_id": alias("file"),
  "pipe_entry.pipe_id": alias("pipe"),
  "tty_file_entry.tty_info_id": alias("tty"),
  "tty_info_entry.id": alias("tty"),
  "memfd_file_entry.inode_id": alias("memory"),
  "memfd_inode_entry.inode_id": alias("memory"),
  "memfd_inode_entry.shmid": alias("segment"),
  // Who made an object decides it: a name, a device and an inode of its own.
  "eventpoll_tfd_entry.dev": ignore,
  "eventpoll_tfd_entry.inode": ignore,
  "reg_file_entry.mnt_id": ignore,
  // Flags of the kernel's own, and the order of what is numbered in cgroup.img, which restores its own way.
  "task_core_entry.flags": ignore,
  "task_core_entry.cg_set": ignore,
  "thread_core_entry.cg_set": ignore,
  // Time goes on: what was left of a timer is less, and what ran out is queued.
  "itimer_entry.vsec": ignore,
  "itimer_entry.vusec": ignore,
  "posix_timer_entry.vsec": ignore,
  "posix_timer_entry.vnsec": ignore,
  "posix_timer_entry.overrun": ignore,
  "task_timers_entry.posix": keyed("it_id"),
  "signal_queue_entry.signals": subset,
  // What the kernel found is there for people; the registers that belong to it are compared.
  "stasis_thread_entry.rseq_discovery": ignore,
  "stasis_thread_entry.rseq_class": ignore,
  "stasis_thread_entry.rseq_area": ignore,
  "stasis_thread_entry.rseq_cs": ignore,
  "stasis_thread_entry.frozen_ip": ignore,
  "stasis_thread_entry.restart": ignore,
  "stasis_task_entry.session_keyring": ignore,
  "stasis_task_entry.producer": ignore,
  "stasis_task_entry.stop_unseen": ignore,
  "stasis_task_entry.threads": keyed("tid"),
  "stasis_task_entry.vmas": keyed("start"),
  "eventpoll_file_entry.tfd": keyed("tfd"),
  // The call is to be made anew, if at all, and not to be restarted.
  "user_x86_regs_entry.orig_ax": ignore,
  // EPOLLERR and EPOLLHUP: one that is disarmed (EPOLLONESHOT) lacks them, and no call makes it so.
  "eventpoll_tfd_entry.events": { kind: "flags", without: 0x18 },
  // A component that is as after a reset may be marked as used or not.
  "user_x86_xsave_entry.xstate_bv": ignore,
  // Compared by `areaDifferences`, for the kernel may divide them otherwise.
  "mm_entry.vmas": ignore,
  "mm_entry.mm_saved_auxv": ignore,
  // Files of the whole tree, which stand in the image of one process.
  "stasis_task_entry.files": ignore,
}

/** Entries of a set of images by kind and id; none where there is no such image. */
export type Entries = <K extends EntryKind>(kind: K, id: ImageId) => readonly EntryOf<K>[]

/** What is compared, by process. */
export interface Compared {
  readonly pid: number
  readonly threads: readonly number[]
  /** Threads whose wait ends with time. */
  readonly sleepers: ReadonlySet<number>
  /** Ids of its descriptor table. */
  readonly tables: readonly [saved: number, now: number]
}

/** Areas as one list without borders that nothing needs: what only some of them say is cut where any list is. */
function piecesOf(areas: readonly vma_entry[], borders: readonly bigint[]): Map<bigint, vma_entry> {
  const pieces = new Map<bigint, vma_entry>()
  for (const area of areas)
    for (const [index, at] of borders.entries()) {
      const end = borders[index + 1] ?? at
      if (at >= area.start && at < area.end)
        pieces.set(at, { ...area, start: at, end, pgoff: area.shmid ? area.pgoff + at - area.start : 0n })
    }
  return pieces
}

/** Compares areas piece by piece. Which bounds they have between equal neighbours is the kernel's affair. */
function areaDifferences(
  saved: readonly vma_entry[],
  now: readonly vma_entry[],
  { aliases, complete }: Comparison,
  where: string,
): string[] {
  const mapped = (list: readonly vma_entry[], guards: boolean): vma_entry[] =>
    list.filter(({ status }) => ((status & VMA.GUARD) !== 0) === guards && !(status & VMA.VSYSCALL))
  return [false, true].flatMap((guards) => {
    const [before, after] = [mapped(saved, guards), mapped(now, guards)]
    const borders = [...new Set([...before, ...after].flatMap(({ start, end }) => [start, end]))].sort((a, b) => (a < b ? -1 : 1))
    const [was, is] = [piecesOf(before, borders), piecesOf(after, borders)]
    return borders.flatMap((at) => {
      const [a, b] = [was.get(at), is.get(at)]
      const name = `${where} ${guards ? "guard" : "area"} ${hex(at)}`
      if (!a && !b) return []
      if (!a || !b) return [`${name}-${hex((a ?? b)?.end ?? at)}: ${a ? "is missing" : "was not there"}`]
      const fields = (complete ? ["prot", "pgoff", "flags", "status", "madv"] : ["prot"]) as readonly (keyof vma_entry)[]
      const texts = fields.flatMap((field) =>
        (a[field] ?? 0n) === (b[field] ?? 0n) ? [] : [`${name} ${field}: was ${a[field]}, is ${b[field]}`],
      )
      const file = complete && a.shmid && b.shmid && !aliases.unite("file", a.shmid, b.shmid) ? [`${name}: another file`] : []
      return [...texts, ...file]
    })
  })
}

/** Registers of a thread whose sleep may be over by now. */
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
}

/** Compares entry by entry what two dumps say of one tree. @returns one text a difference */
export function treeDifferences(saved: Entries, now: Entries, { processes, dead, shellJob, complete }: Scope): string[] {
  const how: Comparison = { rules: shellJob ? JOB_RULES : RULES, aliases: new Aliases(), complete }
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
  return [
    ...list("pstree", pstree_entrySchema, [undefined, undefined], "pid", "process"),
    ...dead.flatMap((pid) => one("core", core_entrySchema, pid, `zombie ${pid}`)),
    ...processes.flatMap(({ pid, threads, sleepers, tables }) => [
      ...threads.flatMap((tid) => one("core", core_entrySchema, tid, `thread ${tid}`, sleepers.has(tid) ? SLEEPER_RULES : RULES)),
      ...one("mm", mm_entrySchema, pid, `process ${pid} mm`),
      ...areaDifferences(saved("mm", pid)[0]?.vmas ?? [], now("mm", pid)[0]?.vmas ?? [], how, `process ${pid}`),
      ...one("fs", fs_entrySchema, pid, `process ${pid} fs`),
      ...one("stasis-core", stasis_task_entrySchema, pid, `process ${pid}`),
      ...list("fdinfo", fdinfo_entrySchema, tables, "fd", `process ${pid} descriptor`),
    ]),
    ...objectDifferences(saved, now, how),
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
  for (const [space, kind, schema, key] of rows)
    for (const [was, is] of how.aliases.of(space)) {
      const find = (entries: Entries, id: bigint): object | undefined =>
        entries(kind, undefined).find((entry) => BigInt((entry as unknown as Record<string, number | bigint>)[key] ?? -1) === id)
      const entry = find(saved, was)
      if (entry) texts.push(...compareMessages(schema, entry, find(now, is), how, `${space} ${was}`))
    }
  return texts
}
