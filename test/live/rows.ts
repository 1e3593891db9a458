import type { Start } from "../harness/victim.ts"

/** One victim as tests start it. The title is its test's name. */
export interface Row extends Start {
  readonly title: string
  /** Source in test/victims, without ".c". */
  readonly source: string
  /** It ends by itself, so it is not asked. */
  readonly unasked?: boolean
  /** Why CRIU 4.1.1 cannot do this one: crossing tests leave it out. Absent = CRIU can. */
  readonly notWithCriu?: string
}

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
].map((name) => row("attribute", name))

const credentials: readonly Row[] = ["ids", "dropped", "ambient", "user", "no_new_privs", "securebits"].map((name) =>
  row("credentials", name),
)

const restarts: readonly Row[] = [
  ...[
    "nanosleep",
    "nanosleep_left",
    "clock_absolute",
    "clock_relative",
    "futex_timeout",
    "futex_absolute",
    "poll_timeout",
    "select_timeout",
  ].map((name) => ({ ...row("restarts", name), unasked: true, notWithCriu: "turns calls with a restart block into EINTR" })),
  ...["futex", "mutex", "poll", "select", "read", "write", "eventfd", "pause", "sigsuspend", "sigwaitinfo", "epoll"].map((name) =>
    row("restarts", name),
  ),
]

const rseq: readonly Row[] = [
  row("rseqspin", "{folder}"),
  row("rseqspin", "{folder}", "leader"),
  row("rseqcount", "{folder}"),
  row("rseqstate", "idle"),
  row("rseqstate", "outside"),
  { ...row("rseqspin", "{folder}"), title: "rseqspin, own registration", env: NO_LIBRARY_RSEQ },
  { ...row("rseqstate", "idle"), title: "rseqstate idle, own registration", env: NO_LIBRARY_RSEQ },
  { ...row("rseqstate", "idle", "64"), title: "rseqstate idle, own registration of 64 bytes", env: NO_LIBRARY_RSEQ },
  { ...row("rseqstate", "unregistered"), env: NO_LIBRARY_RSEQ },
  { ...row("rseqcount", "{folder}"), title: "rseqcount, static", linkage: "static" },
]

/** Every victim, in the order of the objects in the issue: memory, registers, signals, timers, attributes, files, calls, rseq. */
export const rows: readonly Row[] = [
  { ...row("busyloop"), title: "busyloop, static", linkage: "static" },
  row("threads"),
  { ...row("threads"), title: "threads, static", linkage: "static" },
  row("heap"),
  row("stack"),
  row("maps", "{folder}"),
  row("madvise"),
  row("madvise", "guard"),
  row("sharedmem"),
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
  row("scheduling"),
  row("scheduling", "fifo"),
  row("names"),
  row("bounds"),
  ...attributes,
  ...credentials,
  row("root", "{folder}"),
  { ...row("root", "{folder}", "chroot"), linkage: "static", ask: "ask" },
  row("files", "{folder}"),
  row("readdir", "{folder}"),
  row("devices"),
  row("pipes"),
  row("eventfds"),
  row("eventfds", "semaphore"),
  row("epolls"),
  row("clocks"),
  ...restarts,
  ...rseq,
]
