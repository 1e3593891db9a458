import { CAP } from "../../ffi/abi/caps.ts"
import { inFirstUserNamespace } from "../proc/rights.ts"
import { readStatus } from "../proc/status.ts"
import { lookForPidChoice, OWN_NAMESPACES } from "./rights.ts"

/** What a user's rung, and what is lost on it, are told by. */
export interface RungFacts {
  /** The tool is in the machine's own user namespace, see `inFirstUserNamespace`. */
  readonly first: boolean
  /** Effective capabilities. */
  readonly capabilities: bigint
  /** PIDs can be chosen: in a user namespace, that of this PID namespace. */
  readonly mayChoose: boolean
}

/** Where a user stands, best first. */
export const RUNGS = ["root", "checkpoint-restore", "own-namespaces", "ordinary"] as const
export type RungName = (typeof RUNGS)[number]

/** A rung, and what is lost on it. */
export interface Rung {
  readonly name: RungName
  readonly title: string
  readonly lost: readonly string[]
}

/** What a capability is wanted for. */
interface Use {
  readonly cap: keyof typeof CAP
  /** The user namespace in which it has to be in force: the machine's first one, or the one that the tool is in. */
  readonly where: "machine" | "own"
  readonly lost: string
}

/** What is lost without each capability. Kernel: capable() asks for the machine's, ns_capable() for those of whoever owns what is used. */
const USES: readonly Use[] = [
  { cap: "SYS_PTRACE", where: "own", lost: "processes of other users, and those that let nobody look at them (prctl PR_SET_DUMPABLE)" },
  { cap: "DAC_READ_SEARCH", where: "own", lost: "descriptors and memory of other users' processes" },
  { cap: "KILL", where: "own", lost: "a dump of other users' processes that kills or stops them" },
  { cap: "DAC_READ_SEARCH", where: "machine", lost: "inotify and fanotify watches, but on files that the program has open" },
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
  { cap: "DAC_OVERRIDE", where: "machine", lost: "files that whoever restores may not open" },
  { cap: "SYS_CHROOT", where: "own", lost: "root directories other than one's own" },
  { cap: "IPC_OWNER", where: "machine", lost: "System V shared memory of other users" },
]

const TITLES: Readonly<Record<RungName, string>> = {
  root: "root",
  "checkpoint-restore": "a user with CAP_CHECKPOINT_RESTORE",
  "own-namespaces": "the root of own user and PID namespaces",
  ordinary: "an ordinary user",
}

const has = (set: bigint, cap: keyof typeof CAP): boolean => ((set >> BigInt(CAP[cap])) & 1n) === 1n

function nameOf({ first, capabilities, mayChoose }: RungFacts): RungName {
  if (!mayChoose) return "ordinary"
  if (!first) return "own-namespaces"
  return has(capabilities, "SYS_ADMIN") ? "root" : "checkpoint-restore"
}

/** Which rung somebody stands on, and what is lost there, each with the capability that it takes. */
export function rungOf(facts: RungFacts): Rung {
  const { first, capabilities, mayChoose } = facts
  const name = nameOf(facts)
  const missing = USES.filter(({ cap, where }) => !has(capabilities, cap) || (where === "machine" && !first))
  const lost = new Map<string, string[]>()
  for (const use of missing) lost.set(use.lost, [...(lost.get(use.lost) ?? []), `CAP_${use.cap}`])
  return {
    name,
    title: TITLES[name],
    lost: [
      ...(mayChoose ? [] : [`any restore, but in namespaces of one's own: ${OWN_NAMESPACES} stasis restore`]),
      ...[...lost].map(([what, caps]) => `${what} (${caps.join(", ")})`),
    ],
  }
}

/** Where this tool stands. No process is made that outlives the look. */
export const ownRung = (): Rung =>
  rungOf({
    first: inFirstUserNamespace(),
    capabilities: readStatus(process.pid).capEffective,
    mayChoose: lookForPidChoice()?.present === true,
  })
