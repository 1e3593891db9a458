import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { basename, join } from "node:path"
import { muslRoot } from "../harness/compile.ts"
import { fetchPackages, step } from "../harness/debian.ts"
import { CACHE, STASIS } from "../harness/folders.ts"
import { cpio, type Member } from "./cpio.ts"

/** Debian's own kernels, by the version that tests call them. The cloud flavour: the same code with fewer drivers. */
const SUITES = { "5.10": "bullseye", "6.1": "bookworm", "6.12": "trixie", newest: "sid" } as const
export type Kernel = keyof typeof SUITES
export const KERNELS = Object.keys(SUITES) as Kernel[]

const EMULATOR = { suite: "bookworm", packages: ["qemu-system-x86", "busybox-static"] } as const

/** Where a kernel with its modules is, fetched at the first call. @throws Error why it cannot be had */
function kernelRoot(kernel: Kernel): string {
  const only = (file: string): boolean => /^linux-(image|binary|modules)-/.test(file)
  return fetchPackages(`linux-${kernel}`, { suite: SUITES[kernel], packages: ["linux-image-cloud-amd64"], only })
}

/** Modules without which a kernel tells nothing of sockets, in the order in which they need one another; and the one of tunnels. */
const MODULES = ["unix_diag", "inet_diag", "tcp_diag", "udp_diag", "raw_diag", "netlink_diag", "af_packet_diag", "tun"] as const

/** A kernel's modules, those of them that it has, as an initramfs can have them: not compressed. */
function moduleMembers(kernel: Kernel): Member[] {
  const folder = join(kernelRoot(kernel), "lib/modules")
  const modules = [folder, join(kernelRoot(kernel), "usr/lib/modules")].find(existsSync)
  const names = modules ? readdirSync(modules, { recursive: true }).map((name) => `${name}`) : []
  return MODULES.flatMap((module, index) => {
    const name = names.find((path) => basename(path).startsWith(`${module}.ko`))
    if (!modules || !name) return []
    const bytes = name.endsWith(".xz") ? Bun.spawnSync(["xz", "-dc", join(modules, name)]).stdout : readFileSync(join(modules, name))
    return [{ name: `modules/${index}.ko`, mode: EXECUTABLE, bytes }]
  })
}

/** Path of a kernel's image. @throws Error why it cannot be had */
function kernelImage(kernel: Kernel): string {
  const root = kernelRoot(kernel)
  const modules = join(root, "usr/lib/modules")
  const places = [join(root, "boot"), ...(existsSync(modules) ? readdirSync(modules).map((name) => join(modules, name)) : [])]
  for (const place of places.filter(existsSync)) {
    const name = readdirSync(place).find((file) => file.startsWith("vmlinuz"))
    if (name) return join(place, name)
  }
  throw new Error(`the packages of ${SUITES[kernel]} hold no kernel image`)
}

const DIRECTORY = 0o040755
const EXECUTABLE = 0o100755

/** What a program needs of the system: its loader and libraries, by their paths. */
function libraries(program: string): string[] {
  const answer = Bun.spawnSync(["ldd", program])
  return answer.exitCode === 0 ? [...answer.stdout.toString().matchAll(/(\/\S+) \(0x/g)].map(([, path = ""]) => path) : []
}

/** Makes an initramfs with stasis, victims and the rows to take them through. @returns its path */
function initramfs(kernel: Kernel, emulator: string, { victims, rows, crossed, abroad = [] }: Load): string {
  const foreign = new Set([...abroad, ...abroad.flatMap(libraries)].map((path) => realpathSync(path)))
  const shared = new Set([STASIS, ...victims.filter((path) => !isMusl(path))].flatMap(libraries))
  const folders = ["abroad", "bin", "dev", "lib", "modules", "proc", "sys", "tmp", "usr", "victims"]
  for (const path of [...shared, ...[...foreign].map((one) => `/abroad${one}`)]) folders.push(...parents(path))
  const file = (name: string, path: string): Member => ({ name, mode: EXECUTABLE, bytes: readFileSync(realpathSync(path)) })
  const members: Member[] = [
    ...[...new Set(folders)].sort().map((name) => ({ name, mode: DIRECTORY })),
    file("init", join(import.meta.dir, "guest.sh")),
    file("bin/busybox", join(emulator, "bin/busybox")),
    file("bin/stasis", STASIS),
    ...[...shared].map((path) => file(path.slice(1), path)),
    ...victims.map((path) => file(`victims/${basename(path)}`, path)),
    ...[...foreign].map((path) => file(`abroad${path}`, path)),
    ...moduleMembers(kernel),
    ...(victims.some(isMusl) ? [file("lib/ld-musl-x86_64.so.1", join(muslRoot(), "lib/x86_64-linux-musl/libc.so"))] : []),
    ...(crossed ? [{ name: "crossed.tar", mode: EXECUTABLE, bytes: crossed }] : []),
    { name: "rows", mode: EXECUTABLE, bytes: Buffer.from(rows) },
  ]
  mkdirSync(CACHE, { recursive: true })
  const path = join(CACHE, `initramfs.${process.pid}.${++made}`)
  writeFileSync(path, cpio(members))
  return path
}

const isMusl = (path: string): boolean => path.endsWith("-musl")
let made = 0

/** "/a/b/c" -> "a", "a/b" */
const parents = (path: string): string[] =>
  path
    .split("/")
    .slice(1, -1)
    .map((_, index, all) => all.slice(0, index + 1).join("/"))

/** What a machine is started with. */
export interface Load {
  /** Paths of programs. */
  readonly victims: readonly string[]
  /** Lines of /rows, see ./cases.ts. */
  readonly rows: string
  /** Of the modes that do something many times over. */
  readonly rounds: number
  /** The PID of the first victim, about: those that are saved must be free elsewhere. */
  readonly firstPid?: number
  /** An archive of what other machines saved. */
  readonly crossed?: Uint8Array
  /** Programs that must also stand at their paths here, for what was saved on this very machine. */
  readonly abroad?: readonly string[]
}

/** What came out of a machine. */
export interface Outcome {
  /** All that it wrote on its console. */
  readonly text: string
  /** The archive of what it saved; empty when there was nothing. */
  readonly parcel: Uint8Array
}

/** A kernel with all that is needed to start it. */
export interface Machine {
  /**
   * Runs it until it powers itself off; its console is in .cache/linux-KERNEL.console meanwhile.
   *
   * @param seconds after which it is killed
   */
  run(seconds: number): Promise<Outcome>
}

/**
 * Makes a virtual machine ready: one kernel, emulated in software, whose only program is ./guest.sh.
 *
 * @throws Error why this machine cannot have it
 */
export function prepareMachine(kernel: Kernel, load: Load): Machine {
  const emulator = fetchPackages("qemu", EMULATOR)
  const image = kernelImage(kernel)
  const library = join(emulator, "usr/lib/x86_64-linux-gnu")
  const initrd = initramfs(kernel, emulator, load)
  const outbox = `${initrd}.out`
  const console = join(CACHE, `linux-${kernel}${load.crossed ? "-elsewhere" : ""}.console`)
  const command = [
    ...["/lib64/ld-linux-x86-64.so.2", "--library-path", `${library}:${join(emulator, "lib/x86_64-linux-gnu")}`],
    ...[join(emulator, "usr/bin/qemu-system-x86_64"), "-L", join(emulator, "usr/share/qemu"), "-L", join(emulator, "usr/share/seabios")],
    ...["-accel", "tcg,thread=multi", "-smp", "2", "-m", "1024", "-cpu", "max"],
    ...[
      "-nodefaults",
      "-no-reboot",
      "-display",
      "none",
      "-serial",
      "stdio",
      "-serial",
      `file:${outbox}`,
      "-kernel",
      image,
      "-initrd",
      initrd,
    ],
    ...["-append", `console=ttyS0 quiet panic=-1 no_timer_check rounds=${load.rounds} pids=${load.firstPid ?? 300}`],
  ]
  const run = async (seconds: number): Promise<Outcome> => {
    rmSync(console, { force: true })
    const child = Bun.spawn(command, {
      env: { ...process.env, QEMU_MODULE_DIR: join(library, "qemu") },
      stdin: "ignore",
      stdout: Bun.file(console),
      stderr: "pipe",
      timeout: seconds * 1000,
      killSignal: "SIGKILL",
    })
    const words = await new Response(child.stderr).text()
    await child.exited
    const parcel = existsSync(outbox) ? readFileSync(outbox) : new Uint8Array()
    step(["rm", "-f", initrd, outbox], "/")
    return { text: `${readFileSync(console, "utf8")}${words}`, parcel }
  }
  return { run }
}
