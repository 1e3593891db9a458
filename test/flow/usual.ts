import { type DumpOptions, type RestoreOptions, STRICT, USUAL } from "../../src/flow/options.ts"

const usual = {
  workDir: "/home",
  logFile: undefined,
  verbosity: 2,
  shellJob: false,
  tcpEstablished: false,
  tcpClose: false,
  networkLock: "nftables",
  timeoutSeconds: 10,
  actionScripts: [],
  statusFd: undefined,
  pidfile: undefined,
  json: false,
  manageCgroups: "soft",
  cgroupRoots: [],
  imagesDir: "/home",
  extUnixSk: false,
  verify: false,
  cpuCap: undefined,
} as const

/** What a dump of process 5 is asked for by a command line without options, in /home. */
export const USUAL_DUMP: DumpOptions = {
  ...usual,
  ...USUAL,
  pid: 5,
  leaveRunning: false,
  leaveStopped: false,
  sync: true,
  rseqMalformed: "refuse",
  rseqDiscovery: "auto",
  cgroupProps: [],
  cgroupPropsFiles: [],
  cgroupDumpControllers: [],
  freezeCgroup: undefined,
  landlock: "refuse",
  externalUnix: [],
  externals: [],
  skipInFlight: false,
}

/** The same of a restore. */
export const USUAL_RESTORE: RestoreOptions = {
  ...usual,
  ...STRICT,
  detached: false,
  sibling: false,
  strict: false,
  inheritFds: [],
}
