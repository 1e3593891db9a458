import {
  CGROUP_MODES,
  type CgroupOptions,
  type Checking,
  type CheckOptions,
  type CommonOptions,
  DEFAULT_TIMEOUT,
  type DumpOptions,
  FILE_CHANGED,
  FILE_VALIDATION,
  type Keeping,
  LANDLOCK,
  NETWORK_LOCK,
  type PlanOptions,
  type RestoreOptions,
  RSEQ_DISCOVERY,
  RSEQ_MALFORMED,
  type RseqOptions,
} from "../flow/options.ts"
import { cpuOptions } from "./cpu-cap.ts"
import { externalOptions, inheritFds } from "./externals.ts"
import { placed } from "./paths.ts"
import { misused } from "./refuse.ts"
import type { Canonical } from "./spelling.ts"
import { atMost, bytes, choice, flag, parsePid, text, texts, verbosityOf, wholeNumber } from "./values.ts"

/** Turns a command line into the record of one command; pure. Every one of them throws CheckpointError E_USAGE. */

/** `stasis dump`. @param cwd as `workingDirectory` says */
export function dumpOptions(line: Canonical, cwd: string): DumpOptions {
  const { pid, rest } = target(line)
  if (pid === undefined) throw misused(line.command, "No process is named", "Name it: stasis dump PID [DIR], or -t PID")
  atMost({ ...line, words: rest }, 1)
  const leaveRunning = flag(line, "leave-running")
  const leaveStopped = flag(line, "leave-stopped")
  if (leaveRunning && leaveStopped)
    throw misused(line.command, "-R and -s are both given", "Choose one: the tree either runs or is stopped afterwards")
  const frozenCgroup = text(line, "freeze-cgroup")
  return {
    ...commonOptions(line, rest[0], cwd),
    ...cgroupOptions(line),
    cgroupProps: texts(line, "cgroup-props"),
    cgroupPropsFiles: texts(line, "cgroup-props-file").map((path) => placed(line, cwd, path)),
    cgroupDumpControllers: texts(line, "cgroup-dump-controller"),
    freezeCgroup: frozenCgroup === undefined ? undefined : placed(line, cwd, frozenCgroup),
    pid,
    leaveRunning,
    leaveStopped,
    sync: flag(line, "sync", true),
    rseqMalformed: choice(line, "rseq-malformed", RSEQ_MALFORMED),
    rseqDiscovery: choice(line, "rseq-discovery", RSEQ_DISCOVERY),
    landlock: choice(line, "landlock", LANDLOCK),
    ...externalOptions(line),
    verify: flag(line, "verify"),
    ...keepingOptions(line),
    ...cpuOptions(line),
    skipInFlight: flag(line, "skip-in-flight"),
  }
}

/** `stasis restore`. @param cwd as `workingDirectory` says */
export function restoreOptions(line: Canonical, cwd: string): RestoreOptions {
  atMost(line, 1)
  const detached = flag(line, "restore-detached")
  const sibling = flag(line, "restore-sibling")
  if (sibling && !detached) throw misused(line.command, "-S is given without -d", "Add -d: nobody here can wait for a sibling")
  return {
    ...commonOptions(line, line.words[0], cwd),
    ...cgroupOptions(line),
    ...checkingOptions(line),
    ...cpuOptions(line),
    detached,
    sibling,
    strict: flag(line, "strict"),
    verify: flag(line, "verify"),
    extUnixSk: texts(line, "ext-unix-sk").length > 0,
    inheritFds: inheritFds(line),
  }
}

/** `stasis plan`. A bare number is a PID, any other word a directory. @param cwd as `workingDirectory` says */
export function planOptions(line: Canonical, cwd: string): PlanOptions {
  const [word] = line.words
  atMost(line, 1)
  const isPid = word !== undefined && /^\d+$/.test(word)
  const pids = [text(line, "tree"), isPid ? word : undefined].filter((named) => named !== undefined)
  const directories = [text(line, "images-dir"), isPid ? undefined : word].filter((named) => named !== undefined)
  const [pid] = pids
  const [directory] = directories
  if (pids.length + directories.length !== 1)
    throw misused(
      line.command,
      pids.length + directories.length === 0 ? "Neither a process nor images are named" : "More than one process or directory is named",
      "Use stasis plan PID before a dump, or stasis plan -D DIR before a restore",
    )
  const [strict, syscalls] = [flag(line, "strict"), flag(line, "syscalls")]
  if (pid !== undefined && (strict || syscalls))
    throw misused(line.command, `--${strict ? "strict" : "syscalls"} is given with a process`, "It is for images: stasis plan -D DIR")
  return {
    ...keepingOptions(line),
    ...checkingOptions(line),
    ...cpuOptions(line),
    pid: pid === undefined ? undefined : parsePid(line, pid),
    imagesDir: directory === undefined ? undefined : placed(line, cwd, directory),
    ...connectionOptions(line),
    shellJob: flag(line, "shell-job"),
    skipInFlight: flag(line, "skip-in-flight"),
    ...externalOptions(line),
    inheritFds: inheritFds(line),
    strict,
    syscalls,
    json: flag(line, "json"),
  }
}

/** `stasis rseq`. @param cwd as `workingDirectory` says */
export function rseqOptions(line: Canonical, cwd: string): RseqOptions {
  const { pid, rest } = target(line)
  atMost({ ...line, words: rest }, 0)
  const imagesDir = text(line, "images-dir")
  if ((pid === undefined) === (imagesDir === undefined))
    throw misused(
      line.command,
      pid === undefined ? "Neither a process nor images are named" : "A process and images are both named",
      "Use stasis rseq PID or stasis rseq -D DIR",
    )
  const samples = wholeNumber(line, "sample", "number of samples", 1)
  if (samples !== undefined && pid === undefined)
    throw misused(line.command, "--sample is given with images", "Sample a live process: stasis rseq PID --sample N")
  return {
    pid,
    imagesDir: imagesDir === undefined ? undefined : placed(line, cwd, imagesDir),
    samples,
    rseqDiscovery: choice(line, "rseq-discovery", RSEQ_DISCOVERY),
    json: flag(line, "json"),
  }
}

/** `stasis check`. */
export function checkOptions(line: Canonical): CheckOptions {
  atMost(line, 0)
  const all = flag(line, "all")
  const feature = text(line, "feature")
  if (all && feature !== undefined) throw misused(line.command, "--all and --feature are both given", "Choose one")
  return { all, feature, json: flag(line, "json") }
}

/** `stasis show`. @param cwd as `workingDirectory` says */
export function showOptions(line: Canonical, cwd: string): { path: string; image: string | undefined; json: boolean } {
  atMost(line, 1)
  const path = line.words[0]
  if (path === undefined) throw misused(line.command, "Nothing to show is named", "Name it: stasis show DIR, or stasis show FILE")
  return { path: placed(line, cwd, path), image: text(line, "image"), json: flag(line, "json") }
}

/** The process, by -t or as the first word, and the words after it. */
function target(line: Canonical): { pid: number | undefined; rest: readonly string[] } {
  const named = text(line, "tree")
  const [word, ...rest] = line.words
  if (named !== undefined) return { pid: parsePid(line, named), rest: line.words }
  return { pid: word === undefined ? undefined : parsePid(line, word), rest }
}

const keepingOptions = (line: Canonical): Keeping => ({
  ghostLimit: bytes(line, "ghost-limit", "size"),
  linkRemap: flag(line, "link-remap"),
  fileLocks: flag(line, "file-locks"),
  fileValidation: choice(line, "file-validation", FILE_VALIDATION),
})

const checkingOptions = (line: Canonical): Checking => ({
  fileValidation: choice(line, "file-validation", FILE_VALIDATION),
  fileChanged: choice(line, "file-changed", FILE_CHANGED),
  skipFileRwxCheck: flag(line, "skip-file-rwx-check"),
})

const connectionOptions = (line: Canonical): Pick<CommonOptions, "tcpEstablished" | "tcpClose"> => ({
  tcpEstablished: flag(line, "tcp-established"),
  tcpClose: flag(line, "tcp-close"),
})

function cgroupOptions(line: Canonical): CgroupOptions {
  const cgroupRoots = texts(line, "cgroup-root").map((value) => {
    const slash = value.indexOf("/")
    const controller = value.slice(0, Math.max(slash, 0))
    if (slash < 0 || (controller !== "" && !controller.endsWith(":")))
      throw misused(line.command, `--cgroup-root "${value}" is no path`, "Write /newroot, or CONTROLLER:/newroot")
    const path = value.slice(slash).replace(/\/+/g, "/")
    if (path.split("/").includes("..")) throw misused(line.command, `--cgroup-root "${value}" leaves its hierarchy`, "Write it without ..")
    return { controller: controller === "" ? undefined : controller.slice(0, -1), path: path === "/" ? path : path.replace(/\/$/, "") }
  })
  return { manageCgroups: choice(line, "manage-cgroups", CGROUP_MODES), cgroupRoots }
}

function commonOptions(line: Canonical, directory: string | undefined, cwd: string): CommonOptions {
  const named = text(line, "images-dir")
  if (named !== undefined && directory !== undefined)
    throw misused(line.command, `Two image directories are given, "${named}" and "${directory}"`, "Give one, with or without -D")
  const imagesDir = placed(line, cwd, named ?? directory ?? ".")
  const workDir = placed(line, cwd, text(line, "work-dir") ?? imagesDir)
  const logFile = text(line, "log-file")
  if (logFile === "-") throw misused(line.command, '"-" is not a log file', "Leave -o out: the log goes to standard error then")
  const pidfile = text(line, "pidfile")
  return {
    imagesDir,
    workDir,
    logFile: logFile === undefined ? undefined : placed(line, workDir, logFile),
    verbosity: verbosityOf(line),
    ...connectionOptions(line),
    networkLock: choice(line, "network-lock", NETWORK_LOCK),
    shellJob: flag(line, "shell-job"),
    timeoutSeconds: wholeNumber(line, "timeout", "time in seconds", 0) ?? DEFAULT_TIMEOUT,
    actionScripts: texts(line, "action-script").map((path) => placed(line, cwd, path)),
    statusFd: wholeNumber(line, "status-fd", "descriptor", 0),
    pidfile: pidfile === undefined ? undefined : placed(line, workDir, pidfile),
    json: flag(line, "json"),
  }
}
