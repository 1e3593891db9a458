import { files } from "./file-rows.ts"
import { beyondCriu, type Row, row } from "./row.ts"

const NO_AFFINITY = "does not keep the affinity"
const RESTART_BLOCK = "turns calls with a restart block into EINTR"
const NEEDS_RESOURCE = "needs CAP_SYS_RESOURCE for processes of other users"
const LOST_ATTRIBUTES = ["personality", "timer_slack", "coredump_filter", "request_keyring"]
const ONLY_PTRACE = ["5.13", "a registration without a name is told by ptrace alone"] as const
/** A program registers its own area, of any length: libraries of this age take 32 bytes. */
export const NO_LIBRARY_RSEQ = { GLIBC_TUNABLES: "glibc.pthread.rseq=0" }

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
  "request_keyring",
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
  ...["semop", "semtimedop"].map((name) => beyondCriu("answers EINTR to who waits for a semaphore", row("ipcwaits", name))),
  ...["msgrcv", "msgsnd"].map((name) => row("ipcwaits", name)),
  ...["mq_receive", "mq_timedreceive", "mq_send"].map((name) => beyondCriu("knows no POSIX queues", row("ipcwaits", name))),
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

const sharers: readonly Row[] = ["files", "fs", "root", "vm", "sighand", "offset", "memory"].map((name) =>
  ["fs", "root", "vm", "sighand"].includes(name)
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

const HUGE = { hugePages: 12 }
const hugePages: readonly Row[] = [
  ...["private", "shared", "memfd"].map((kind) => ({ ...row("hugepages", kind), ...HUGE })),
  beyondCriu("makes every page of a memory file", { ...row("hugepages", "memfd", "exact"), ...HUGE }),
  beyondCriu("does not keep memory policies", { ...row("hugepages", "private", "policy"), ...HUGE }),
  beyondCriu("shares none of these pages again", { ...row("hugepages", "fork"), ...HUGE }),
  beyondCriu("wants its whole namespace", { ...row("hugepages", "sysv"), ...HUGE }),
]

/** Every victim, in the order of the objects in the issue: memory, registers, signals, timers, attributes, files, calls, rseq, trees. */
export const rows: readonly Row[] = [
  { ...row("busyloop"), title: "busyloop, static", linkage: "static" },
  beyondCriu(RESTART_BLOCK, row("threads")),
  beyondCriu(RESTART_BLOCK, { ...row("threads"), title: "threads, static", linkage: "static" }),
  row("vdso"),
  { ...row("vdso"), title: "vdso, static", linkage: "static" },
  row("heap"),
  row("stack"),
  row("unused"),
  row("unused", "locked"),
  row("maps", "{folder}"),
  beyondCriu("finds no place for the rest", row("novdso", "vdso")),
  ...["vvar", "both"].map((name) => row("novdso", name)),
  beyondCriu("loses MADV_WIPEONFORK", row("madvise")),
  beyondCriu("cannot read around guard regions", row("madvise", "guard")),
  beyondCriu("cannot read around guard regions", row("madvise", "shared guard")),
  row("sharedmem"),
  row("sharedmem", "unreserved"),
  ...["kept", "removed", "owned"].map((name) => beyondCriu("wants its whole namespace", row("sysvshm", name))),
  ...hugePages,
  row("aiorings"),
  beyondCriu("answers EINTR to who waits for events", row("aiorings", "waiting")),
  beyondCriu("shares none of these pages again, from its own images either", row("cow", "{folder}")),
  row("registers"),
  beyondCriu("kills who steps itself", row("registers", "steps")),
  row("fpu"),
  beyondCriu("drops what AMX tiles hold", row("amx")),
  beyondCriu("drops protection keys", row("pkeys")),
  row("fsgs"),
  row("sigactions"),
  row("altstack"),
  row("sigpending"),
  beyondCriu("cannot run anything in who has a fault on its way", row("sigpending", "faults")),
  row("sigmask"),
  row("hearsall", "PIPE"),
  row("hearsall", "TTOU"),
  row("itimers"),
  row("itimers", "tick"),
  row("posixtimers"),
  row("posixtimers", "cpu"),
  beyondCriu("takes them for the main thread's", row("posixtimers", "own")),
  beyondCriu("cannot make a timer of the CPU time of who has ended", row("posixtimers", "ended")),
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
  ...files,
  row("clocks"),
  row("ages"),
  ...restarts,
  ...rseq,
  ...trees,
]
