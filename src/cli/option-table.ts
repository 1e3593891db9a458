import type { CommandName } from "./commands.ts"

/** One option as users spell it. Names are CRIU's wherever CRIU has the option. Authority: criu(8). */
export interface OptionRow {
  /** Without the dashes. */
  readonly name: string
  /** One letter. */
  readonly short?: string
  /** What the value is, for the help; an option without one is a boolean and has a `--no-` form. */
  readonly value?: string
  /** Stands for the value that is left out; a value is then written with "=" only. */
  readonly unsaid?: string
  /** May be given several times; otherwise the last one counts. */
  readonly repeats?: true
  /** Exists as `--no-NAME` only. */
  readonly negativeOnly?: true
  /** Commands that take it. */
  readonly commands: readonly CommandName[]
  /** Commands for which it means nothing, and which take it as CRIU does: scripts have one list of options for dump and restore. */
  readonly idle?: readonly CommandName[]
  readonly help: string
}

const every = ["dump", "restore", "plan", "rseq", "check", "show"] as const
const both = ["dump", "restore"] as const
const planned = [...both, "plan"] as const

/** Every option we have. */
export const OPTIONS: readonly OptionRow[] = [
  { name: "tree", short: "t", value: "PID", commands: ["dump", "plan", "rseq"], help: "Root of the process tree" },
  {
    name: "images-dir",
    short: "D",
    value: "DIR",
    commands: [...planned, "rseq"],
    help: "Directory of the image files (here, unless given)",
  },
  {
    name: "work-dir",
    short: "W",
    value: "DIR",
    commands: both,
    help: "Directory of logs, pidfiles and statistics (the images', unless given)",
  },
  { name: "log-file", short: "o", value: "FILE", commands: both, help: "Log to FILE in the work directory instead of standard error" },
  {
    name: "verbosity",
    short: "v",
    value: "N",
    commands: every,
    help: "0 nothing, 1 errors, 2 warnings (default), 3 steps, 4 calls; -v and -vN too",
  },
  { name: "leave-running", short: "R", commands: ["dump"], help: "Let the tree go on after the dump instead of killing it" },
  { name: "leave-stopped", short: "s", commands: ["dump"], help: "Leave the tree stopped after the dump instead of killing it" },
  { name: "shell-job", short: "j", commands: planned, help: "The tree belongs to a shell's session outside it" },
  { name: "tcp-established", commands: planned, help: "Keep TCP connections" },
  {
    name: "network-lock",
    value: "nftables|skip",
    commands: both,
    help: "How packets are kept away from connections meanwhile (nftables)",
  },
  { name: "tcp-close", commands: planned, help: "Have TCP connections come back closed" },
  { name: "skip-in-flight", commands: ["dump", "plan"], idle: ["restore"], help: "Lose connections that nobody has accepted yet" },
  { name: "restore-detached", short: "d", commands: ["restore"], help: "End when the tree runs, instead of waiting for its root" },
  { name: "restore-sibling", short: "S", commands: ["restore"], help: "Make the root a child of our parent; needs -d" },
  { name: "pidfile", value: "FILE", commands: both, help: "Write the root's PID to FILE in the work directory" },
  { name: "timeout", value: "SECONDS", commands: both, help: "Give up and undo after this time (10; 0 = never)" },
  { name: "status-fd", value: "FD", commands: both, help: "Write one zero byte to FD when done, and close it" },
  { name: "action-script", value: "PATH", repeats: true, commands: both, help: "Run PATH at every hook; may be repeated" },
  { name: "sync", commands: ["dump"], help: "Have the images on the disk before the tree is killed (default)" },
  {
    name: "rseq-malformed",
    value: "refuse|keep",
    commands: ["dump"],
    help: "What to do with rseq state that the kernel would kill for (refuse)",
  },
  { name: "landlock", value: "refuse|drop", commands: ["dump"], help: "What to do with threads in a Landlock domain (refuse)" },
  {
    name: "ghost-limit",
    value: "BYTES[K|M|G]",
    commands: ["dump", "plan"],
    idle: ["restore"],
    help: "Largest deleted file that is kept whole (a quarter of the free space, 1G at most)",
  },
  {
    name: "file-locks",
    short: "l",
    commands: planned,
    help: "Keep file locks and leases; a restore sets those of the images with or without it",
  },
  {
    name: "file-validation",
    value: "buildid|filesize",
    commands: planned,
    help: "How changed files are found: executables and libraries by their build ID too, or all by size alone (buildid)",
  },
  {
    name: "file-changed",
    value: "fail|accept|truncate",
    commands: ["restore", "plan"],
    help: "What to do about changed files; truncate cuts those that have grown and are open for writing (fail)",
  },
  {
    name: "cpu-cap",
    value: "CAP,...",
    unsaid: "all",
    repeats: true,
    commands: planned,
    help: "What of the dump's CPU this one must have: fpu, ins, cpu, all, none, ^CAP (fpu,ins; alone: all); without it, lacking instructions are told",
  },
  { name: "skip-file-rwx-check", commands: ["restore", "plan"], idle: ["dump"], help: "Take files whose permissions have changed" },
  {
    name: "link-remap",
    commands: ["dump", "plan"],
    idle: ["restore"],
    help: "Give files that lost one of several names a new one until they are restored",
  },
  { name: "rseq-discovery", value: "auto|ptrace|libc|tls", commands: ["dump", "rseq"], help: "How rseq registrations are found (auto)" },
  { name: "syscalls", commands: ["plan"], help: "With images: every system call that the restore would make" },
  { name: "verify", commands: both, help: "Read the tree again before it is killed or let go, and fail when it differs from the images" },
  { name: "strict", commands: ["restore", "plan"], help: "Refuse what could only be restored nearly" },
  {
    name: "manage-cgroups",
    value: "MODE",
    unsaid: "soft",
    commands: both,
    help: "How cgroups are restored: soft (default), full, strict, none, props; ignore: neither saved nor restored",
  },
  {
    name: "cgroup-root",
    value: "[CONTROLLER:]/PATH",
    repeats: true,
    commands: both,
    help: "Restore cgroups below PATH instead of where the root was; save from PATH downwards",
  },
  { name: "cgroup-props", value: "TEXT", repeats: true, commands: ["dump"], help: "Cgroup properties to save, as CRIU's simplified YAML" },
  { name: "cgroup-props-file", value: "FILE", repeats: true, commands: ["dump"], help: "The same from a file" },
  {
    name: "cgroup-dump-controller",
    value: "NAME",
    repeats: true,
    commands: ["dump"],
    help: "Save this cgroup controller only; may be repeated",
  },
  { name: "freeze-cgroup", value: "DIR", commands: ["dump"], help: "Freeze this cgroup until all threads are seized" },
  {
    name: "ext-unix-sk",
    short: "x",
    value: "INODE,...",
    unsaid: "",
    commands: planned,
    help: "Unix sockets may be connected to names outside the tree, and are again; with inodes as --external unix[INODE]",
  },
  {
    name: "external",
    value: "NAME",
    repeats: true,
    commands: ["dump", "plan"],
    help: "Left outside: unix[INODE] (connected again by name, or given up), tty[RDEV:DEV] and file[MOUNT:INODE] (--inherit-fd at restore), dev[MAJOR/MINOR] (opened anew)",
  },
  {
    name: "inherit-fd",
    value: "fd[N]:RESOURCE",
    repeats: true,
    commands: ["restore", "plan"],
    help: "Give the tree descriptor N of stasis for pipe:[INODE], socket:[INODE], tty[RDEV:DEV], file[MOUNT:INODE] or the file of a path",
  },
  { name: "sample", value: "N", commands: ["rseq"], help: "Stop and look N times, count who was in which section" },
  { name: "all", commands: ["check"], help: "Also what only special cases need" },
  { name: "feature", value: "NAME", commands: ["check"], help: 'Only this feature; "list" shows their names' },
  { name: "image", value: "NAME", commands: ["show"], help: "Only this image of a directory, decoded whole" },
  { name: "json", commands: every, help: "Results and errors as JSON" },
  {
    name: "unprivileged",
    commands: [...planned, "check"],
    help: "Accepted for CRIU's sake: each right is looked at where it is needed anyway",
  },
  { name: "default-config", negativeOnly: true, commands: every, help: "Accepted for CRIU's sake: no configuration file is ever read" },
  { name: "help", short: "h", commands: every, help: "Show this text" },
]

const takes = ({ commands, idle = [] }: OptionRow, command: CommandName): boolean => commands.includes(command) || idle.includes(command)

/** The row of a name as this command knows it; undefined when the command does not take it. */
export const findOption = (name: string, command: CommandName): OptionRow | undefined =>
  OPTIONS.find((row) => row.name === name && takes(row, command))

/** The row of a single letter as this command knows it. */
export const findLetter = (letter: string, command: CommandName): OptionRow | undefined =>
  OPTIONS.find((row) => row.short === letter && takes(row, command))
