import { core_entrySchema, task_kobj_ids_entrySchema } from "../../proto/gen/core_pb.ts"
import { fdinfo_entrySchema, file_entrySchema } from "../../proto/gen/fdinfo_pb.ts"
import { fs_entrySchema } from "../../proto/gen/fs_pb.ts"
import { memfd_inode_entrySchema } from "../../proto/gen/memfd_pb.ts"
import { mm_entrySchema } from "../../proto/gen/mm_pb.ts"
import { pstree_entrySchema } from "../../proto/gen/pstree_pb.ts"
import { stasis_task_entrySchema } from "../../proto/gen/stasis_pb.ts"
import { tty_info_entrySchema } from "../../proto/gen/tty_pb.ts"
import type { AnySchema } from "../../proto/schema.ts"
import type { EntryKind, EntryOf } from "../image/catalog.ts"
import { type Aliases, type Comparison, compareMessages, pairUp, type Rule, type Rules } from "../image/compare.ts"
import type { ImageId } from "../image/name.ts"
import type { Entries } from "../image/set.ts"
import { seccompDifferences } from "./seccomp-differences.ts"
import { areaDifferences } from "./verify-areas.ts"

const ignore: Rule = { kind: "ignore" }
const subset: Rule = { kind: "subset" }
const alias = (space: string): Rule => ({ kind: "alias", space })
const keyed = (by: string): Rule => ({ kind: "keyed", by })

/** Messages with the id of a file, a number that each dump gives anew. */
const FILES = [
  "fdinfo_entry file_entry reg_file_entry pipe_entry eventfd_file_entry eventpoll_file_entry eventpoll_tfd_entry",
  "tty_file_entry fifo_entry signalfd_entry ns_file_entry tunfile_entry timerfd_entry inotify_file_entry",
  "fanotify_file_entry inet_sk_entry netlink_sk_entry pidfd_entry memfd_file_entry stasis_file_entry unix_sk_entry",
].flatMap((line) => line.split(" "))

const NAMESPACES = ["pid", "net", "ipc", "uts", "mnt", "user", "cgroup", "time"] as const

/** What of a restored tree may differ from its images, field by field. */
const RULES: Rules = {
  ...Object.fromEntries(FILES.map((name) => [`${name}.id`, alias("file")])),
  // Numbers that each dump gives anew.
  "mm_entry.exe_file_id": alias("file"),
  // CRIU gives each process directories with numbers of their own.
  "fs_entry.cwd_id": { kind: "alias", space: "file", apart: true },
  "fs_entry.root_id": { kind: "alias", space: "file", apart: true },
  "fifo_entry.regf_id": alias("file"),
  "fifo_entry.pipe_id": alias("fifo"),
  "inotify_wd_entry.id": ignore,
  // A deleted file is another one now; which watch has which file is told by the path, where there is one.
  "inotify_wd_entry.i_ino": alias("watched"),
  "fanotify_mark_entry.id": ignore,
  "fanotify_inode_mark_entry.i_ino": alias("watched"),
  "fanotify_mount_mark_entry.mnt_id": alias("mount"),
  "fh_entry.handle": ignore,
  "inotify_file_entry.wd": keyed("wd"),
  "pidfd_entry.ino": alias("process"),
  "netlink_sk_entry.ino": alias("socket"),
  // CRIU numbers namespaces that are not dumped, and has no state for a socket that is in no table.
  "netlink_sk_entry.ns_id": ignore,
  "inet_sk_entry.ino": alias("socket"),
  // Set when a connection is let go; and by the kernel, when a socket is bound to one address.
  "sk_opts_entry.reuseaddr": ignore,
  "inet_sk_entry.v6only": ignore,
  "tty_file_entry.regf_id": alias("file"),
  "pipe_entry.pipe_id": alias("pipe"),
  "unix_sk_entry.ino": alias("socket"),
  "unix_sk_entry.peer": alias("socket"),
  "tty_file_entry.tty_info_id": alias("tty"),
  "tty_info_entry.id": alias("tty"),
  "memfd_file_entry.inode_id": alias("memory"),
  "memfd_inode_entry.inode_id": alias("memory"),
  "memfd_inode_entry.shmid": alias("segment"),
  // File systems have other numbers in another container; which file it is, the path says, or a number beside it.
  "inotify_wd_entry.s_dev": ignore,
  "fanotify_mark_entry.s_dev": ignore,
  "tty_info_entry.dev": ignore,
  // Who made an object decides it: a name, a device and an inode of its own.
  "eventpoll_tfd_entry.dev": ignore,
  "eventpoll_tfd_entry.inode": ignore,
  "reg_file_entry.mnt_id": ignore,
  // CRIU numbers namespaces that are not dumped, and of a socket that does not listen tells what it had sent as its backlog.
  "unix_sk_entry.ns_id": ignore,
  "inet_sk_entry.ns_id": ignore,
  "ns_file_entry.ns_id": ignore,
  "tunfile_entry.ns_id": ignore,
  "unix_sk_entry.backlog": ignore,
  // Compared before anything was made, as the options want it.
  "reg_file_entry.build_id": ignore,
  // Flags of the kernel's own, and the order of what is numbered in cgroup.img, which restores its own way.
  "task_core_entry.flags": ignore,
  // Compared filter by filter by `seccompDifferences`: the index is a number of the dump's.
  "task_core_entry.old_seccomp_mode": ignore,
  "task_core_entry.old_seccomp_filter": ignore,
  "thread_core_entry.seccomp_mode": ignore,
  "thread_core_entry.seccomp_filter": ignore,
  // Which processes share which kernel objects. Namespaces are the restorer's.
  "task_kobj_ids_entry.vm_id": alias("vm"),
  "task_kobj_ids_entry.files_id": alias("files"),
  "task_kobj_ids_entry.fs_id": alias("fs"),
  "task_kobj_ids_entry.sighand_id": alias("sighand"),
  ...Object.fromEntries(NAMESPACES.map((kind) => [`task_kobj_ids_entry.${kind}_ns_id`, ignore])),
  "task_core_entry.cg_set": ignore,
  "thread_core_entry.cg_set": ignore,
  // Time goes on: what was left of a timer is less, and what ran out is queued.
  "itimer_entry.vsec": ignore,
  "itimer_entry.vusec": ignore,
  "posix_timer_entry.vsec": ignore,
  "posix_timer_entry.vnsec": ignore,
  "posix_timer_entry.overrun": ignore,
  "timerfd_entry.vsec": ignore,
  "timerfd_entry.vnsec": ignore,
  "timerfd_entry.ticks": ignore,
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
  // SS_ONSTACK: the stack pointer says so; CRIU leaves it out.
  "thread_sas_entry.ss_flags": { kind: "flags", without: 1 },
  // A component that is as after a reset may be marked as used or not.
  "user_x86_xsave_entry.xstate_bv": ignore,
  // Compared by `areaDifferences`, for the kernel may divide them otherwise.
  "mm_entry.vmas": ignore,
  "mm_entry.mm_saved_auxv": ignore,
  // Files of the whole tree, which stand in the image of one process; and when segments were made, and by whom.
  "stasis_task_entry.files": ignore,
  "stasis_task_entry.shm": ignore,
}

/** What is compared, by process. */
export interface Compared {
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
      ...one("stasis-core", stasis_task_entrySchema, pid, `process ${pid}`),
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
  for (const [space, kind, schema, key] of rows)
    for (const [was, is] of how.aliases.of(space)) {
      const find = (entries: Entries, id: bigint): object | undefined =>
        entries(kind, undefined).find((entry) => BigInt((entry as unknown as Record<string, number | bigint>)[key] ?? -1) === id)
      const entry = find(saved, was)
      if (entry) texts.push(...compareMessages(schema, entry, find(now, is), how, `${space} ${was}`))
    }
  return texts
}
