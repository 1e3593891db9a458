import type { Start } from "../harness/victim.ts"

/** One victim as tests start it. The title is its test's name. */
export interface Row extends Start {
  readonly title: string
  /** Source in test/victims, without ".c". */
  readonly source: string
  /** It ends by itself, so it is not asked. */
  readonly unasked?: boolean
  /** What CRIU's sets say otherwise than it was, so that --verify would refuse them. */
  readonly criuSays?: string
  /** Options of the dump, stasis's and CRIU's; CRIU wants them for the restore too. */
  readonly options?: readonly string[]
  /** What of it comes back otherwise than it was, which --verify would refuse. */
  readonly differs?: string
  /** Why CRIU 4.1.1 cannot do this one: crossing tests leave it out. Absent = CRIU can. */
  readonly notWithCriu?: string
  /** The first Linux that it can be kept on, and why. Absent = all that stasis runs on. */
  readonly since?: readonly [release: string, why: string]
}

/** A row that CRIU 4.1.1 cannot do, and why. */
const beyondCriu = (notWithCriu: string, row: Row): Row => ({ ...row, notWithCriu })

const NO_AFFINITY = "does not keep the affinity"
const RESTART_BLOCK = "turns calls with a restart block into EINTR"
const NEEDS_RESOURCE = "needs CAP_SYS_RESOURCE for processes of other users"
const LOST_ATTRIBUTES = ["personality", "timer_slack", "coredump_filter"]
const ONLY_PTRACE = ["5.13", "a registration without a name is told by ptrace alone"] as const
const QUEUED = "puts back what was queued in a terminal through its mode, and takes the heads of packets for data"
const NOT_THE_KERNELS = "control characters and open flags that the kernel never told"
const NO_LIBRARY_RSEQ = { GLIBC_TUNABLES: "glibc.pthread.rseq=0" }

const row = (source: string, ...args: string[]): Row => ({
  title: [source, ...args].filter((word) => word !== "{folder}").join(" "),
  source,
  args,
})

const attributes: readonly Row[] = [
  "umask",
  "personality",
  "oom_score_adj",
  "pdeath_signal",
  "dumpable",
  "child_subreaper",
  "thp_disable",
  "timer_slack",
  "nice",
  "coredump_filter",
  "session",
  "rlimits",
].map((name) =>
  LOST_ATTRIBUTES.includes(name)
    ? beyondCriu(`does not keep ${name}`, row("attribute", name))
    : name === "pdeath_signal"
      ? beyondCriu("sends it when it ends after a restore in the background", row("attribute", name))
      : row("attribute", name),
)

const credentials: readonly Row[] = ["ids", "dropped", "ambient", "user", "no_new_privs", "securebits"].map((name) =>
  name === "ids" || name === "user" ? beyondCriu(NEEDS_RESOURCE, row("credentials", name)) : row("credentials", name),
)

const endless = ["futex", "mutex", "select", "read", "write", "eventfd", "pause", "sigsuspend", "sigwaitinfo", "epoll"]
const finite = [
  "nanosleep",
  "nanosleep_left",
  "clock_absolute",
  "clock_relative",
  "futex_timeout",
  "futex_absolute",
  "poll_timeout",
  "select_timeout",
]

const restarts: readonly Row[] = [
  ...finite.map((name) => beyondCriu(RESTART_BLOCK, { ...row("restarts", name), unasked: true })),
  beyondCriu(RESTART_BLOCK, row("restarts", "poll")),
  ...endless.map((name) => row("restarts", name)),
]

const rseq: readonly Row[] = [
  row("rseqspin", "{folder}"),
  row("rseqspin", "{folder}", "leader"),
  row("rseqcount", "{folder}"),
  beyondCriu(NO_AFFINITY, row("rseqstate", "idle")),
  row("rseqstate", "idle", "32", "unpinned"),
  beyondCriu(NO_AFFINITY, row("rseqstate", "outside")),
  row("rseqstate", "outside", "32", "unpinned"),
  { ...row("rseqspin", "{folder}"), title: "rseqspin, own registration", env: NO_LIBRARY_RSEQ, since: ONLY_PTRACE },
  beyondCriu(NO_AFFINITY, {
    ...row("rseqstate", "idle"),
    title: "rseqstate idle, own registration",
    env: NO_LIBRARY_RSEQ,
    since: ONLY_PTRACE,
  }),
  {
    ...row("rseqstate", "idle", "64", "unpinned"),
    title: "rseqstate idle, own registration of 64 bytes",
    env: NO_LIBRARY_RSEQ,
    since: ["6.3", "only 32 bytes are taken before"],
  },
  { ...row("rseqstate", "unregistered", "32", "unpinned"), env: NO_LIBRARY_RSEQ },
  { ...row("rseqcount", "{folder}"), title: "rseqcount, static", linkage: "static" },
]

const families: readonly Row[] = [
  ...["leader-alive", "group-leader-gone", "jobs", "subreapers"].map((name) => row("families", name)),
  beyondCriu("leaves a child of its own behind", row("families", "leader-gone")),
  beyondCriu("hangs in such a restore", row("families", "group-left")),
  beyondCriu("hangs in such a restore", row("families", "all")),
  row("families", "forest", "10", "2"),
  row("families", "chain", "100"),
]

const sharers: readonly Row[] = ["files", "fs", "vm", "sighand", "offset", "memory"].map((name) =>
  ["fs", "vm", "sighand"].includes(name)
    ? beyondCriu(`cannot share ${name} between processes`, row("sharers", name, "{folder}"))
    : row("sharers", name, "{folder}"),
)

const trees: readonly Row[] = [
  ...families,
  ...sharers,
  beyondCriu("loses the parent of who is in the session of a zombie", row("zombies")),
  beyondCriu("knows no stop by SIGTTIN", { ...row("stops"), since: ["5.17", "nobody tells before whether the parent has seen a stop"] }),
  beyondCriu(NEEDS_RESOURCE, row("sigroom")),
  row("plumbing"),
  row("unixtree"),
  row("unixserver", "{folder}"),
  row("kinsignals"),
  beyondCriu("does not keep the signal that a child's end sends", row("kinsignals", "exit-signal")),
]

/** Every victim, in the order of the objects in the issue: memory, registers, signals, timers, attributes, files, calls, rseq, trees. */
export const rows: readonly Row[] = [
  { ...row("busyloop"), title: "busyloop, static", linkage: "static" },
  beyondCriu(RESTART_BLOCK, row("threads")),
  beyondCriu(RESTART_BLOCK, { ...row("threads"), title: "threads, static", linkage: "static" }),
  row("heap"),
  row("stack"),
  row("unused"),
  row("unused", "locked"),
  row("maps", "{folder}"),
  beyondCriu("loses MADV_WIPEONFORK", row("madvise")),
  beyondCriu("cannot read around guard regions", row("madvise", "guard")),
  row("sharedmem"),
  row("sharedmem", "unreserved"),
  beyondCriu("shares none of these pages again, from its own images either", row("cow", "{folder}")),
  row("registers"),
  row("fpu"),
  row("fsgs"),
  row("sigactions"),
  row("altstack"),
  row("sigpending"),
  row("sigmask"),
  row("itimers"),
  row("itimers", "tick"),
  row("posixtimers"),
  row("robust"),
  beyondCriu(NO_AFFINITY, row("scheduling")),
  beyondCriu(NO_AFFINITY, row("scheduling", "fifo")),
  row("names"),
  row("bounds"),
  ...attributes,
  beyondCriu("needs descriptors of the target, which RLIMIT_NOFILE forbids", row("tight")),
  ...credentials,
  beyondCriu("does not keep memory policies", row("mempolicy")),
  ...["filters", "tsync", "strict", "tight"].map((name) => row("seccomp", name)),
  row("root", "{folder}"),
  { ...row("root", "{folder}", "chroot"), linkage: "static", ask: "ask" },
  beyondCriu("loses O_DIRECTORY", row("files", "{folder}")),
  ...["files", "exe", "cwd"].map((name) => row("ghosts", name, "{folder}")),
  {
    ...beyondCriu("makes a file that cannot get a name", row("ghosts", "unnamed", "{folder}")),
    differs: "O_TMPFILE is not among the flags of the file any more",
  },
  beyondCriu("keeps such a file with --link-remap alone", row("ghosts", "renamed", "{folder}")),
  { ...row("ghosts", "moved", "{folder}"), options: ["--link-remap"] },
  beyondCriu("removes a deleted folder before those that were in it", row("ghosts", "folders", "{folder}")),
  ...["flock", "posix", "ofd", "lease", "waiters"].map((name) => ({ ...row("locks", name, "{folder}"), options: ["--file-locks"] })),
  {
    ...beyondCriu("loses a child's lock on a file that its parent has open", row("locks", "shared", "{folder}")),
    options: ["--file-locks"],
  },
  row("readdir", "{folder}"),
  row("devices"),
  row("pipes"),
  beyondCriu("refuses packet mode", row("pipes", "packets")),
  row("fifos", "{folder}"),
  beyondCriu("lets a reader see its own writer", row("fifos", "{folder}", "unwritten")),
  row("eventfds"),
  beyondCriu("cuts the counter to 32 bits", row("eventfds", "huge")),
  beyondCriu("loses semaphore mode", { ...row("eventfds", "semaphore"), since: ["6.5", "the mode is told nobody before"] }),
  row("epolls"),
  ...["tcp", "udp", "udplite"].flatMap((name) => [row("inets", name), beyondCriu("loses such options", row("inets", name, "beyond"))]),
  beyondCriu("finds raw sockets by a table that this kernel may lack", row("inets", "raw")),
  row("inotifies", "{folder}"),
  row("inotifies", "{folder}", "shared"),
  beyondCriu("keeps no flags of a watch", {
    ...row("inotifies", "{folder}", "flags"),
    since: ["5.19", "such flags are told nobody before"],
  }),
  beyondCriu("loses the watch on a deleted file", row("inotifies", "{folder}", "deleted")),
  beyondCriu("loses events without a word", row("inotifies", "{folder}", "queued")),
  row("fanotifies", "{folder}"),
  beyondCriu("cannot set what is ignored by flags", row("fanotifies", "{folder}", "names")),
  beyondCriu("loses marks on file systems", row("fanotifies", "{folder}", "filesystem")),
  beyondCriu("gives rights to one that was made without", row("fanotifies", "{folder}", "unprivileged")),
  row("fanotifies", "{folder}", "evictable"),
  row("memfds"),
  row("signalfds"),
  { ...row("netlinks"), criuSays: "no flags and no state of netlink sockets" },
  beyondCriu("keeps no options of netlink and no groups above 32", row("netlinks", "more")),
  { ...row("pidfds"), criuSays: "a thread of a zombie whose ID is chance" },
  row("timerfds"),
  beyondCriu("stops a periodic timer that has run out", row("timerfds", "ticking")),
  beyondCriu("knows no clocks that wake the machine", row("timerfds", "alarm")),
  { ...row("ptys", "pair"), criuSays: NOT_THE_KERNELS },
  beyondCriu("sets the locked mode before the mode", row("ptys", "locked")),
  { ...row("ptys", "control"), criuSays: NOT_THE_KERNELS },
  ...["input", "echoed", "lines", "shown"].map((kind) => beyondCriu(QUEUED, row("ptys", kind))),
  { ...row("ptys", "hungup"), criuSays: NOT_THE_KERNELS },
  beyondCriu("gives a controlling terminal to the session's leader alone", row("ptytree")),
  beyondCriu("opens no slave again to close it", row("ptys", "alone")),
  row("unixpairs"),
  row("unixpairs", "options"),
  beyondCriu("does not set SO_REUSEADDR and SO_PEEK_OFF", row("unixpairs", "options", "all")),
  beyondCriu("leaves such a socket unconnected", row("unixpairs", "lone")),
  beyondCriu("cannot look into the queue of a socket with a pending error", row("unixpairs", "reset")),
  beyondCriu("loses packets of no bytes", row("unixpairs", "empty")),
  ...["listen", "dgram", "accepted", "seqpacket", "waiting", "removed"].map((name) => row("unixnames", name, "{folder}")),
  beyondCriu("gives an accepted socket no name", row("unixnames", "names", "{folder}")),
  beyondCriu("changes the order of clients", row("unixnames", "pending", "{folder}")),
  beyondCriu("restores no credentials of peers and senders", row("unixcreds", "{folder}")),
  row("unixrights"),
  beyondCriu("merges bytes of a stream with those that a descriptor comes with", row("unixrights", "bounds")),
  row("unixrights", "sockets", "{folder}"),
  row("unixrights", "cycle"),
  row("clocks"),
  row("ages"),
  ...restarts,
  ...rseq,
  ...trees,
]
