import { describe, expect, test } from "bun:test"
import { checkOptions, dumpOptions, planOptions, restoreOptions, rseqOptions, showOptions } from "../../src/cli/records.ts"
import { canonical } from "../../src/cli/spelling.ts"
import { type DumpOptions, type RestoreOptions, STRICT, USUAL } from "../../src/flow/options.ts"
import { NO_PERMISSIONS } from "../flow/draft.ts"
import { USUAL_DUMP, USUAL_RESTORE } from "../flow/usual.ts"

const line = (words: string) => canonical(words.split(" "))
const dump = (words: string): DumpOptions => dumpOptions(line(`dump ${words}`), "/home")
const restore = (words: string): RestoreOptions => restoreOptions(line(`restore ${words}`.trim()), "/home")

describe("dumpOptions", () => {
  test.each<[string, Partial<DumpOptions>]>([
    ["5", {}],
    ["-t 5", {}],
    ["5 --ghost-limit 3M", { ghostLimit: 3 << 20 }],
    ["5 --ghost-limit=77", { ghostLimit: 77 }],
    ["5 out", { imagesDir: "/home/out", workDir: "/home/out" }],
    ["-t 5 out", { imagesDir: "/home/out", workDir: "/home/out" }],
    ["5 -D /out", { imagesDir: "/out", workDir: "/out" }],
    ["5 -D out -W work", { imagesDir: "/home/out", workDir: "/home/work" }],
    ["5 -D out -o dump.log", { imagesDir: "/home/out", workDir: "/home/out", logFile: "/home/out/dump.log" }],
    ["5 -W work -o dump.log --pidfile p", { workDir: "/home/work", logFile: "/home/work/dump.log", pidfile: "/home/work/p" }],
    ["5 --log-file /tmp/log", { logFile: "/tmp/log" }],
    ["5 -R", { leaveRunning: true }],
    ["5 --leave-running", { leaveRunning: true }],
    ["5 -R --no-leave-running", {}],
    ["5 -s", { leaveStopped: true }],
    ["5 --leave-stopped", { leaveStopped: true }],
    ["5 -j", { shellJob: true }],
    ["5 --shell-job", { shellJob: true }],
    ["5 --timeout 0", { timeoutSeconds: 0 }],
    ["5 --tcp-established --skip-in-flight", { tcpEstablished: true, skipInFlight: true }],
    ["5 --network-lock skip", { networkLock: "skip" }],
    ["5 --tcp-close", { tcpClose: true }],
    ["5 --timeout=3 --timeout=4", { timeoutSeconds: 4 }],
    ["5 --no-sync", { sync: false }],
    ["5 --sync", {}],
    ["5 --status-fd 9", { statusFd: 9 }],
    ["5 --action-script a --action-script /b", { actionScripts: ["/home/a", "/b"] }],
    ["5 --rseq-malformed keep", { rseqMalformed: "keep" }],
    ["5 --manage-cgroups", {}],
    ["--manage-cgroups 5", {}],
    ["5 --manage-cgroups=ignore", { manageCgroups: "ignore" }],
    ["5 --cgroup-root /a//b/", { cgroupRoots: [{ controller: undefined, path: "/a/b" }] }],
    [
      "5 --cgroup-root cpu:/ --cgroup-root=name=systemd:/x",
      {
        cgroupRoots: [
          { controller: "cpu", path: "/" },
          { controller: "name=systemd", path: "/x" },
        ],
      },
    ],
    ["5 --cgroup-props text --cgroup-props-file f", { cgroupProps: ["text"], cgroupPropsFiles: ["/home/f"] }],
    ["5 --cgroup-dump-controller cpu --cgroup-dump-controller cgroup2", { cgroupDumpControllers: ["cpu", "cgroup2"] }],
    ["5 --freeze-cgroup /cg/x", { freezeCgroup: "/cg/x" }],
    ["5 --landlock=drop", { landlock: "drop" }],
    ["5 -x --external unix[7] --external=unix[8]", { extUnixSk: true, externalUnix: [7, 8] }],
    ["5 --external file[1f:a0] --external dev[10/229]:x", { externals: ["file[1f:a0]", "dev[10/229]:x"] }],
    ["5 -x7,8", { extUnixSk: true, externalUnix: [7, 8] }],
    ["-xt5", { extUnixSk: true }],
    ["5 --ext-unix-sk=7,8", { extUnixSk: true, externalUnix: [7, 8] }],
    ["5 --verify", { verify: true }],
    ["5 --verify --no-verify", { verify: false }],
    ["5 --rseq-discovery=libc", { rseqDiscovery: "libc" }],
    ["5 --json", { json: true }],
    ["5 -vvvv", { verbosity: 4 }],
    ["5 --no-default-config", {}],
    ["5 --unprivileged", {}],
  ])("makes a record of %p", (words, changes) => {
    expect(dump(words)).toEqual({ ...USUAL_DUMP, ...changes })
  })

  test.each([
    ["-R", "No process is named"],
    ["0", '"0" is not a PID'],
    ["-t 4194305", '"4194305" is not a PID'],
    ["five", '"five" is not a PID'],
    ["0x5", '"0x5" is not a PID'],
    ["5 out more", '"more" is one word too many'],
    ["5 out -D other", "Two image directories"],
    ["5 -R -s", "-R and -s are both given"],
    ["5 --timeout ten", '--timeout "ten" is not a time in seconds'],
    ["5 --timeout=1.5", "is not a time in seconds"],
    ["5 --status-fd=-1", "is not a descriptor"],
    ["5 --rseq-malformed=drop", '--rseq-malformed "drop" is unknown'],
    ["5 -o -", '"-" is not a log file'],
  ])("refuses %p", (words, expected) => {
    expect(() => dump(words)).toThrow(expected)
  })
})

describe("restoreOptions", () => {
  test.each<[string, Partial<RestoreOptions>]>([
    ["", {}],
    ["out", { imagesDir: "/home/out", workDir: "/home/out" }],
    ["-d", { detached: true }],
    ["-d -S", { detached: true, sibling: true }],
    ["--restore-detached --restore-sibling", { detached: true, sibling: true }],
    ["--verify", { verify: true }],
    ["--strict -j", { strict: true, shellJob: true }],
    ["-D out --pidfile p", { imagesDir: "/home/out", workDir: "/home/out", pidfile: "/home/out/p" }],
    ["--inherit-fd fd[3]:pipe:[7]", { inheritFds: [{ fd: 3, resource: "pipe:[7]" }] }],
    ["--inherit-fd fd[0]:file[1f:a0]", { inheritFds: [{ fd: 0, resource: "file[1f:a0]" }] }],
    ["--inherit-fd fd[4]:/var/log/it", { inheritFds: [{ fd: 4, resource: "var/log/it" }] }],
  ])("makes a record of %p", (words, changes) => {
    expect(restore(words)).toEqual({ ...USUAL_RESTORE, ...changes })
  })

  test.each([
    ["-S", "-S is given without -d"],
    ["--inherit-fd fd[3]", "names no descriptor and resource"],
    ["--inherit-fd fd[3]:pipe[7]", "names no descriptor and resource"],
    ["--inherit-fd fd[3]:tty[8800]", "names no descriptor and resource"],
    ["a b", '"b" is one word too many'],
  ])("refuses %p", (words, expected) => {
    expect(() => restore(words)).toThrow(expected)
  })
})

describe("rseqOptions", () => {
  const rseq = (words: string) => rseqOptions(line(`rseq ${words}`.trim()), "/home")
  const common = { rseqDiscovery: "auto", json: false } as const

  test("reads a live task or a set of images", () => {
    expect(rseq("5")).toEqual({ pid: 5, imagesDir: undefined, samples: undefined, ...common })
    expect(rseq("-t 5 --sample 100")).toEqual({ pid: 5, imagesDir: undefined, samples: 100, ...common })
    expect(rseq("-D out --json")).toEqual({ pid: undefined, imagesDir: "/home/out", samples: undefined, ...common, json: true })
  })

  test.each([
    ["", "Neither a process nor images"],
    ["5 -D out", "both named"],
    ["-D out --sample 5", "--sample is given with images"],
    ["5 --sample 0", "is not a number of samples"],
  ])("refuses %p", (words, expected) => {
    expect(() => rseq(words)).toThrow(expected)
  })
})

describe("planOptions", () => {
  const plan = (words: string) => planOptions(line(`plan ${words}`.trim()), "/home")
  const usualPlan = {
    ...USUAL,
    ...STRICT,
    ...NO_PERMISSIONS,
    cpuCap: undefined,
    pid: undefined,
    imagesDir: undefined,
    shellJob: false,
    strict: false,
    syscalls: false,
    json: false,
  }

  test.each<[string, ReturnType<typeof plan>]>([
    ["5", { ...usualPlan, pid: 5 }],
    ["-t 5 -j --json", { ...usualPlan, pid: 5, shellJob: true, json: true }],
    ["out", { ...usualPlan, imagesDir: "/home/out" }],
    ["./5", { ...usualPlan, imagesDir: "/home/5" }],
    ["-D 5", { ...usualPlan, imagesDir: "/home/5" }],
    ["5 --tcp-close --skip-in-flight", { ...usualPlan, pid: 5, tcpClose: true, skipInFlight: true }],
    ["-D /out --syscalls --strict", { ...usualPlan, imagesDir: "/out", syscalls: true, strict: true }],
  ])("makes a record of %p", (words, expected) => {
    expect(plan(words)).toEqual(expected)
  })

  test.each([
    ["", "Neither a process nor images are named"],
    ["5 out", '"out" is one word too many'],
    ["5 -D out", "More than one process or directory is named"],
    ["-t 5 6", "More than one process or directory is named"],
    ["-D out other", "More than one process or directory is named"],
    ["0", '"0" is not a PID'],
    ["5 --syscalls", "--syscalls is given with a process"],
    ["5 --strict", "--strict is given with a process"],
  ])("refuses %p", (words, expected) => {
    expect(() => plan(words)).toThrow(expected)
  })
})

test("checkOptions reads one feature or all", () => {
  expect(checkOptions(line("check"))).toEqual({ all: false, feature: undefined, json: false })
  expect(checkOptions(line("check --all --json"))).toEqual({ all: true, feature: undefined, json: true })
  expect(checkOptions(line("check --feature list"))).toEqual({ all: false, feature: "list", json: false })
  expect(() => checkOptions(line("check --all --feature x"))).toThrow("both given")
})

test("showOptions reads a path and one image", () => {
  expect(showOptions(line("show out"), "/home")).toEqual({ path: "/home/out", image: undefined, json: false })
  expect(showOptions(line("show /out --image core-5 --json"), "/home")).toEqual({ path: "/out", image: "core-5", json: true })
  expect(() => showOptions(line("show"), "/home")).toThrow("Nothing to show is named")
})
