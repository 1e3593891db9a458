/** What a command was asked to do, as plain data. Made by src/cli from the command line; every path is absolute. */
import type { CgroupMode } from "../kinds/cgroup/modes.ts"
import type { GivenFd } from "../kinds/files/external.ts"
import type { Checking, Keeping } from "../kinds/files/keeping.ts"
import type { NetworkLock } from "../kinds/files/socket/inet/modes.ts"

// Of lists of words the first is the usual one.
export { CGROUP_MODES } from "../kinds/cgroup/modes.ts"
export { type Checking, FILE_CHANGED, FILE_VALIDATION, type Keeping, STRICT, USUAL } from "../kinds/files/keeping.ts"
export { NETWORK_LOCK } from "../kinds/files/socket/inet/modes.ts"

/** What both directions share. */
export interface CommonOptions {
  /** Directory of the image files (-D). Absolute; existence is checked by the flow. */
  readonly imagesDir: string
  /** Directory of statistics, relative logs and pidfiles (-W). Absolute; `imagesDir` unless given. */
  readonly workDir: string
  /** File that log lines go to (-o), absolute; standard error when undefined. */
  readonly logFile: string | undefined
  /** CRIU's scale: 0 nothing, 1 errors, 2 warnings, 3 steps, 4 calls. */
  readonly verbosity: number
  /** The tree is a job of a shell outside it: session and terminal come from there (-j). */
  readonly shellJob: boolean
  /** TCP connections are kept (dump), and go on (restore). */
  readonly tcpEstablished: boolean
  /** TCP connections are not kept: their sockets come back closed. */
  readonly tcpClose: boolean
  /** How packets are kept away from TCP connections while they are read or made. */
  readonly networkLock: NetworkLock
  /** Seconds that the command may take before it undoes what it did; 0 = no limit. */
  readonly timeoutSeconds: number
  /** Programs that `runScripts` calls at each hook, in order. Absolute. */
  readonly actionScripts: readonly string[]
  /** Descriptor that `announceReady` writes one zero byte to. Open when the flow starts. */
  readonly statusFd: number | undefined
  /** File that `announceReady` writes the root's PID to. Absolute. */
  readonly pidfile: string | undefined
  /** Results as one JSON object on standard output, errors as one on standard error. */
  readonly json: boolean
}

/** Seconds, as CRIU's. Authority: `criu --help`, --timeout. */
export const DEFAULT_TIMEOUT = 10

/** What to do with a thread whose rseq state would make the kernel kill it: refuse the dump, or save the state as it is. */
export const RSEQ_MALFORMED = ["refuse", "keep"] as const
type RseqMalformed = (typeof RSEQ_MALFORMED)[number]

/** How rseq registrations are found: the first way that works, or one only. */
export const RSEQ_DISCOVERY = ["auto", "ptrace", "libc", "tls"] as const
type RseqDiscovery = (typeof RSEQ_DISCOVERY)[number]

/** What both directions are told of cgroups. */
export interface CgroupOptions {
  /** "ignore" leaves cgroups out of both directions; the others differ at restore only. */
  readonly manageCgroups: CgroupMode
  /** --cgroup-root: paths that start with "/", for one controller ("cgroup2" is version 2) or for all that have none of their own. */
  readonly cgroupRoots: readonly { readonly controller: string | undefined; readonly path: string }[]
}

/** What of a CPU is compared: its extended state, its instructions, all that it says. */
export const CPU_CAPS = ["fpu", "ins", "cpu"] as const
export type CpuCap = (typeof CPU_CAPS)[number]

/** What all directions are told of CPUs. */
export interface CpuOptions {
  /**
   * --cpu-cap: what must be as at the dump, or else the restore is refused; undefined = not given: instructions that are lacking are told.
   * A dump with an empty list writes no cpuinfo.img, and a restore with one does not read it.
   */
  readonly cpuCap: readonly CpuCap[] | undefined
}

/** What to do with threads in a Landlock domain, which cannot be saved: refuse the dump, or save them without it. */
export const LANDLOCK = ["refuse", "drop"] as const
export type Landlock = (typeof LANDLOCK)[number]

/** `stasis dump`. At most one of `leaveRunning` and `leaveStopped`; neither = the tree is killed once the images are safe. */
export interface DumpOptions extends CommonOptions, CgroupOptions, Keeping, CpuOptions {
  /** PID of the root of the tree, 1 to 4194304. */
  readonly pid: number
  readonly leaveRunning: boolean
  readonly leaveStopped: boolean
  /** Images are on the disk, not only in its cache, before the tree is killed. */
  readonly sync: boolean
  readonly rseqMalformed: RseqMalformed
  readonly rseqDiscovery: RseqDiscovery
  /** Texts of --cgroup-props, in order. */
  readonly cgroupProps: readonly string[]
  /** Files of --cgroup-props-file, read after those. Absolute. */
  readonly cgroupPropsFiles: readonly string[]
  /** Hierarchies that are saved; all when there is none. */
  readonly cgroupDumpControllers: readonly string[]
  /** Directory of the cgroup to freeze while threads are seized. Absolute. */
  readonly freezeCgroup: string | undefined
  readonly landlock: Landlock
  /** Datagram sockets that send to a name outside the tree are kept: they send there again. */
  readonly extUnixSk: boolean
  /** Files and terminals that whoever restores gives, and devices that are opened anew, by name. */
  readonly externals: readonly string[]
  /** Unix sockets of the tree, by inode, that may lose their peer, which is outside. */
  readonly externalUnix: readonly number[] | "all"
  /** The tree is read twice, and the images are compared with it, memory included, before it is killed or goes on. */
  readonly verify: boolean
  /** Connections that nobody has accepted yet are lost; otherwise they refuse the dump. */
  readonly skipInFlight: boolean
}

/** `stasis restore`. `sibling` only with `detached`. */
export interface RestoreOptions extends CommonOptions, CgroupOptions, Checking, CpuOptions {
  /** The command ends when the tree runs, instead of waiting for its root (-d). */
  readonly detached: boolean
  /** The root becomes a child of our parent, not of us (-S). */
  readonly sibling: boolean
  /** What could be restored nearly, with a warning, is refused instead. */
  readonly strict: boolean
  /** The tree is read again by the way of a dump before it is let go; a difference from the images makes the restore fail. */
  readonly verify: boolean
  /** Unix sockets are connected again to names outside the tree. */
  readonly extUnixSk: boolean
  /** Descriptors of ours that stand for what was outside the tree. */
  readonly inheritFds: readonly GivenFd[]
}

/** `stasis rseq`. Exactly one of `pid` and `imagesDir` is given. */
export interface RseqOptions {
  /** A live task, 1 to 4194304. */
  readonly pid: number | undefined
  /** A set of images. Absolute. */
  readonly imagesDir: string | undefined
  /** How often the threads are stopped and looked at; undefined = once, one row a thread. */
  readonly samples: number | undefined
  readonly rseqDiscovery: RseqDiscovery
  readonly json: boolean
}

/** `stasis plan`. Exactly one of `pid` and `imagesDir` is given. */
export interface PlanOptions extends Keeping, Checking, CpuOptions {
  /** A live process, 1 to 4194304: could it be dumped? */
  readonly pid: number | undefined
  /** A set of images: could it be restored? Absolute. */
  readonly imagesDir: string | undefined
  /** As for the dump or the restore. */
  readonly shellJob: boolean
  readonly tcpEstablished: boolean
  readonly tcpClose: boolean
  /** As for the dump. */
  readonly skipInFlight: boolean
  readonly extUnixSk: boolean
  readonly externalUnix: readonly number[]
  readonly externals: readonly string[]
  /** As for the restore. */
  readonly inheritFds: readonly GivenFd[]
  readonly strict: boolean
  /** The restore's programs, call by call; with images only. */
  readonly syscalls: boolean
  readonly json: boolean
}

/** `stasis check`. At most one of `all` and `feature`. */
export interface CheckOptions {
  /** Also what is needed in special cases only. */
  readonly all: boolean
  /** One feature by name, or "list" for their names. */
  readonly feature: string | undefined
  readonly json: boolean
}

/** What a dump did. */
export interface DumpReport {
  /** Root of the dumped tree. */
  readonly pid: number
  /** Processes, zombies included. */
  readonly processes: number
  /** Threads of all processes together. */
  readonly threads: number
  readonly imagesDir: string
  /** Size of all image files together, bytes. */
  readonly bytes: number
  /** From the first thread stopped to the last one released or killed, microseconds. */
  readonly frozenMicroseconds: number
  /** From the start of the command, microseconds. */
  readonly wallMicroseconds: number
  /** The tree still exists: running, or stopped where that was asked for. */
  readonly leftRunning: boolean
}

/** What a restore did. */
export interface RestoreReport {
  /** Root of the restored tree. */
  readonly pid: number
  /** Its exit status, 128 + signal when it was killed; undefined when detached. */
  readonly exitStatus: number | undefined
}
