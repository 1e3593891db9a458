import type { CAP } from "../../../ffi/abi/caps.ts"

/** What a capability is wanted for. */
export interface Use {
  readonly cap: keyof typeof CAP
  /** The user namespace in which it has to be in force: the machine's first one, or the one that the tool is in. */
  readonly where: "machine" | "own"
  readonly lost: string
}

/** What is lost without each capability. Kernel: capable() asks for the machine's, ns_capable() for those of whoever owns what is used. */
export const USES: readonly Use[] = [
  { cap: "SYS_PTRACE", where: "own", lost: "processes of other users, and those that let nobody look at them (prctl PR_SET_DUMPABLE)" },
  { cap: "DAC_READ_SEARCH", where: "own", lost: "descriptors and memory of other users' processes" },
  { cap: "KILL", where: "own", lost: "a dump of other users' processes that kills or stops them" },
  { cap: "DAC_READ_SEARCH", where: "machine", lost: "inotify and fanotify watches on files that are neither open nor found by name" },
  { cap: "CHECKPOINT_RESTORE", where: "machine", lost: "mapped files that were deleted or replaced, unless the program has them open" },
  { cap: "CHECKPOINT_RESTORE", where: "machine", lost: "shared memory without a name: kept as far as it is mapped, restored as a memfd" },
  { cap: "SYS_ADMIN", where: "machine", lost: "processes under seccomp" },
  { cap: "SYS_ADMIN", where: "machine", lost: "what is queued in pseudo-terminals, and locks of their modes" },
  { cap: "SYS_ADMIN", where: "own", lost: "clocks that go on where they were dumped: they jump to the machine's" },
  { cap: "SYS_TIME", where: "own", lost: "clocks that go on where they were dumped: they jump to the machine's" },
  { cap: "NET_ADMIN", where: "machine", lost: "TCP connections, but with --tcp-close; unix sockets whose file was renamed or removed" },
  { cap: "NET_ADMIN", where: "machine", lost: "socket buffers above net.core.wmem_max and rmem_max, which are cut" },
  { cap: "SYS_RESOURCE", where: "machine", lost: "hard limits above one's own; an oom_score_adj below one's own" },
  { cap: "SYS_NICE", where: "machine", lost: "real-time scheduling, and nice values below one's own" },
  { cap: "SETUID", where: "own", lost: "user IDs other than one's own" },
  { cap: "SETGID", where: "own", lost: "groups other than one's own" },
  { cap: "SETPCAP", where: "own", lost: "bounding sets and secure bits other than one's own" },
  { cap: "CHOWN", where: "machine", lost: "owners of files and shared memory that are made again" },
  { cap: "FOWNER", where: "machine", lost: "modes of files that are made again" },
  { cap: "DAC_OVERRIDE", where: "machine", lost: "files that whoever restores may not open" },
  { cap: "SYS_CHROOT", where: "own", lost: "root directories other than one's own" },
  { cap: "IPC_OWNER", where: "machine", lost: "System V shared memory of other users" },
]

/** Every capability that stasis uses. */
export const USED: readonly (keyof typeof CAP)[] = [...new Set(USES.map(({ cap }) => cap))]
