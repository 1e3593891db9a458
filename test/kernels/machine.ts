import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs"
import { basename, join } from "node:path"
import { fetchPackages, step } from "../harness/debian.ts"
import { CACHE, STASIS } from "../harness/folders.ts"
import { cpio, type Member } from "./cpio.ts"

/** Debian's own kernels, by the version that tests call them. The cloud flavour: the same code with fewer drivers. */
const SUITES = { "5.10": "bullseye", "6.1": "bookworm", "6.12": "trixie", newest: "sid" } as const
export type Kernel = keyof typeof SUITES
export const KERNELS = Object.keys(SUITES) as Kernel[]

const EMULATOR = { suite: "bookworm", packages: ["qemu-system-x86", "busybox-static"] } as const

/** Path of a kernel's image, fetched at the first call. @throws Error why it cannot be had */
function kernelImage(kernel: Kernel): string {
  const only = (file: string): boolean => /^linux-(image|binary)-/.test(file)
  const root = fetchPackages(`kernel-${kernel}`, { suite: SUITES[kernel], packages: ["linux-image-cloud-amd64"], only })
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
function initramfs(emulator: string, victims: readonly string[], rows: string): string {
  const shared = new Set([STASIS, ...victims].flatMap(libraries))
  const folders = ["bin", "dev", "proc", "sys", "tmp", "usr", "victims", ...[...shared].flatMap(parents)]
  const file = (name: string, path: string): Member => ({ name, mode: EXECUTABLE, bytes: readFileSync(realpathSync(path)) })
  const members: Member[] = [
    ...[...new Set(folders)].sort().map((name) => ({ name, mode: DIRECTORY })),
    file("init", join(import.meta.dir, "guest.sh")),
    file("bin/busybox", join(emulator, "bin/busybox")),
    file("bin/stasis", STASIS),
    ...[...shared].map((path) => file(path.slice(1), path)),
    ...victims.map((path) => file(`victims/${basename(path)}`, path)),
    { name: "rows", mode: EXECUTABLE, bytes: Buffer.from(rows) },
  ]
  mkdirSync(CACHE, { recursive: true })
  const path = join(CACHE, `initramfs.${process.pid}`)
  writeFileSync(path, cpio(members))
  return path
}

/** "/a/b/c" -> "a", "a/b" */
const parents = (path: string): string[] =>
  path
    .split("/")
    .slice(1, -1)
    .map((_, index, all) => all.slice(0, index + 1).join("/"))

/** A kernel with all that is needed to start it. */
export interface Machine {
  /** Runs it until it powers itself off, and gives what it wrote on its console. @param seconds after which it is killed */
  run(seconds: number): Promise<string>
}

/**
 * Makes a virtual machine ready: one kernel, emulated in software, whose only program is ./guest.sh.
 *
 * @param rows lines of /rows: mode, title, program, ask file, unasked, environment, arguments, between tabs; "-" = nothing
 * @param rounds of the mode "again"
 * @throws Error why this machine cannot have it
 */
export function prepareMachine(kernel: Kernel, victims: readonly string[], rows: string, rounds: number): Machine {
  const emulator = fetchPackages("qemu", EMULATOR)
  const image = kernelImage(kernel)
  const library = join(emulator, "usr/lib/x86_64-linux-gnu")
  const initrd = initramfs(emulator, victims, rows)
  const command = [
    ...["/lib64/ld-linux-x86-64.so.2", "--library-path", `${library}:${join(emulator, "lib/x86_64-linux-gnu")}`],
    ...[join(emulator, "usr/bin/qemu-system-x86_64"), "-L", join(emulator, "usr/share/qemu"), "-L", join(emulator, "usr/share/seabios")],
    ...["-accel", "tcg,thread=multi", "-smp", "2", "-m", "1024", "-cpu", "max"],
    ...["-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio", "-kernel", image, "-initrd", initrd],
    ...["-append", `console=ttyS0 quiet panic=-1 rounds=${rounds}`],
  ]
  const run = async (seconds: number): Promise<string> => {
    const child = Bun.spawn(command, {
      env: { ...process.env, QEMU_MODULE_DIR: join(library, "qemu") },
      stdin: "ignore",
      stderr: "pipe",
      timeout: seconds * 1000,
      killSignal: "SIGKILL",
    })
    const [console, words] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
    await child.exited
    step(["rm", "-f", initrd], "/")
    return `${console}${words}`
  }
  return { run }
}
