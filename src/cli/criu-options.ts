import type { CommandName } from "./commands.ts"

/** An option of CRIU 4.x that we refuse by name, before anything is touched. */
interface CriuOption {
  /** One letter, where CRIU has one. */
  readonly short?: string
  /** What CRIU does with it, in our words. */
  readonly does: string
  /** What the operator can do with stasis instead. */
  readonly instead: string
  /** A plain boolean: its `--no-` form asks for what we do anyway, and is accepted. */
  readonly boolean?: true
  /** Refused for these commands only; the others have it. */
  readonly commands?: readonly CommandName[]
}

const plain = "Leave it out: stasis handles one tree in the namespaces it runs in"
const noNetwork = "Leave it out: stasis handles the network namespace that it runs in"
const noServer = "Leave it out: images are files; put -D on a directory that both machines share, or copy it"
const noTls = "Leave it out and copy the images through a secured channel"
const noIncrements = "Leave it out: each dump is complete in itself"
const checksAll = 'Use "stasis check --all", which tells for each feature what is lost without it'
const noExternal = "Keep the resource inside the dumped tree, or close it before the dump"

/**
 * CRIU's options that stasis does not have. Names and meanings: criu(8) and `criu --help` of CRIU 4.x; nothing else may refuse an option
 * by name. An option that arrives in option-table.ts leaves this table in the same change (a test compares the two).
 */
export const CRIU_OPTIONS: Readonly<Record<string, CriuOption>> = {
  address: { does: "address of a page server", instead: noServer },
  "allow-uprobes": { boolean: true, does: "dump a task with uprobes in its memory", instead: "Remove the uprobes before the dump" },
  "auto-dedup": { boolean: true, does: "punch pages out of earlier images", instead: noIncrements },
  "cgroup-yard": { does: "use cgroup mounts made beforehand", instead: "Leave it out: cgroups are used where they are mounted" },
  close: { does: "close a descriptor of the tool first", instead: "Close it in the shell: stasis ... FD>&-" },
  config: { does: "read options from a file", instead: "Put the options on the command line" },
  daemon: { boolean: true, does: "run the server in the background", instead: noServer },
  "display-stats": { boolean: true, does: "print statistics at the end", instead: 'Use --json, or "stasis show DIR" afterwards' },
  "empty-ns": { does: "leave a namespace empty", instead: plain },
  "enable-external-masters": { boolean: true, does: "accept master mounts from outside", instead: plain },
  "enable-external-sharing": { boolean: true, does: "accept shared mounts from outside", instead: plain },
  "enable-fs": { does: "restore more file system types", instead: plain },
  "evasive-devices": {
    boolean: true,
    does: "use any path to a device",
    instead: "Make the device reachable under the path the program opened",
  },
  "exec-cmd": { boolean: true, does: "run a command after the restore", instead: "Use --action-script: it is called at post-resume" },
  experimental: { boolean: true, does: "check experimental features", instead: checksAll },
  "ext-mount-map": { short: "M", does: "map mounts from outside", instead: noExternal },
  external: {
    commands: ["restore"],
    does: "name resources that live outside the tree",
    instead: "Leave it out: the dump has named them, and --inherit-fd gives them (stasis plan DIR tells which)",
  },
  extra: { boolean: true, does: "check features for special cases", instead: checksAll },
  "force-irmap": {
    boolean: true,
    does: "search for the paths of file watches",
    instead: "Leave it out: paths are kept where they are known",
  },
  "ghost-fiemap": { boolean: true, does: "copy deleted files by their extents", instead: "Leave it out" },
  "irmap-scan-path": { does: "where to search for watched files", instead: "Let the program have what it watches open as well" },
  "join-ns": {
    short: "J",
    does: "restore inside existing namespaces",
    instead: "Start stasis inside them: nsenter -t PID -a stasis restore",
  },
  "lazy-pages": {
    boolean: true,
    does: "load pages after the tree runs",
    instead: "Leave it out: all pages are loaded before the tree runs",
  },
  "leave-stopped": {
    short: "s",
    boolean: true,
    commands: ["restore"],
    does: "leave the restored tree stopped",
    instead: 'Use --action-script and stop the tree at post-resume: kill -STOP "$CRTOOLS_INIT_PID"',
  },
  libdir: { short: "L", does: "directory of plugins", instead: "Leave it out: there are no plugins" },
  "log-pid": { boolean: true, does: "one log file a task", instead: "Use -o: one log in order, each line naming its task" },
  "lsm-mount-context": { does: "SELinux context of mounts", instead: plain },
  "lsm-profile": { does: "AppArmor or SELinux profile of the restored tree", instead: "Start stasis itself under that profile" },
  "mntns-compat-mode": { boolean: true, does: "the older way to restore mounts", instead: plain },
  "page-server": { boolean: true, does: "send pages to a page server", instead: noServer },
  port: { does: "port of a page server", instead: noServer },
  "pre-dump-mode": { does: "how a pre-dump reads memory", instead: noIncrements },
  "prev-images-dir": { does: "dump only what changed since another set", instead: noIncrements },
  "ps-socket": { does: "socket of a page server", instead: noServer },
  root: { short: "r", does: "restore under another root directory", instead: "Start stasis inside that root: chroot DIR stasis restore" },
  "skip-mnt": { does: "leave a mount out", instead: plain },
  stream: { boolean: true, does: "stream images through another program", instead: "Put -D on a tmpfs and send it with tar" },
  tls: { boolean: true, does: "encrypt page server traffic", instead: noTls },
  "tls-cacert": { does: "certificate authority of a page server", instead: noTls },
  "tls-cacrl": { does: "revoked certificates of a page server", instead: noTls },
  "tls-cert": { does: "certificate of a page server", instead: noTls },
  "tls-key": { does: "private key of a page server", instead: noTls },
  "tls-no-cn-verify": { boolean: true, does: "do not compare a page server's name", instead: noTls },
  "track-mem": { boolean: true, does: "track memory changes for the next dump", instead: noIncrements },
  "veth-pair": { does: "name virtual network devices", instead: noNetwork },
  "weak-sysctls": { boolean: true, does: "skip sysctls that this kernel lacks", instead: plain },
}
