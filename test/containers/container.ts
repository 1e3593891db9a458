import { closeSync, existsSync, openSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { waitFor } from "../harness/deadline.ts"
import { step } from "../harness/debian.ts"
import { inside, scratch } from "../harness/folders.ts"
import { linkOf, signal } from "../harness/process.ts"
import { type Run, run } from "../harness/tool.ts"
import { ALL_NODES, compileContainer, devices, type Image } from "./images.ts"

/** How a container differs from a plain one, which has namespaces of its own but for the network, /proc, /sys and usual devices. */
export interface Shape {
  /** Letters of container.c. Default: all but the network. */
  readonly namespaces?: string
  /** The image is a layer of overlayfs below one of the container's own. Default: its only layer is the root. */
  readonly overlay?: true
  /** The root is read-only; /work is a tmpfs of this size. */
  readonly readOnly?: "64k" | "64m"
  readonly sys?: false
  /** Options of /proc, or "machine": the machine's is seen. */
  readonly proc?: string
  /** Names in /dev. Default: all that `devices` knows, pseudo-terminals and /dev/shm. */
  readonly nodes?: readonly string[]
}

/** A running container. */
export interface Container extends Disposable {
  /** Of its PID 1, in the machine's numbers. */
  readonly pid: number
  /** Its folder for images, the output of its program, and the file to ask that with; on the machine. */
  readonly work: string
  /** Runs a program inside, as PID namespaces and all others have it. */
  run(...command: string[]): Promise<Run>
  /** PID, in the machine's numbers, and inside, of the program that was started with it. @throws Error when it is not there */
  program(): { readonly outside: number; readonly inside: number }
  /** Whether there is a process with this PID inside. */
  has(inside: number): boolean
  /** Lines of its program. */
  lines(): string[]
}

/** Mounts of a shape, for container.c, in its order; five words each. */
function mounts({ layers }: Image, shape: Shape, root: string): string[] {
  const { overlay, readOnly, sys, proc = "-", nodes = ALL_NODES } = shape
  const lower = layers.join(":")
  const upper = overlay || layers.length > 1 ? [inside(root, "upper"), inside(root, "scratch")] : undefined
  return [
    ...(upper ? ["overlay", "overlay", "/", "-", `lowerdir=${lower},upperdir=${upper[0]},workdir=${upper[1]}`] : []),
    ...(readOnly ? ["tmpfs", "work", "/work", "-", `size=${readOnly}`, "remount", "-", "/", "ro", "-"] : []),
    ...(proc === "machine" ? ["bind", "/proc", "/proc", "-", "-"] : ["proc", "proc", "/proc", "-", proc]),
    ...(sys === false ? [] : ["sysfs", "sysfs", "/sys", "-", "-"]),
    ...["bind", devices(nodes), "/dev", "-", "-"],
    ...(nodes === ALL_NODES ? ["devpts", "pts", "/dev/pts", "-", "newinstance,ptmxmode=0666", "tmpfs", "shm", "/dev/shm", "-", "-"] : []),
  ]
}

/** The first PID that a program inside gets. */
const FIRST = 300

/**
 * Starts a container.
 *
 * @param words what is started in it: path and arguments; nothing unless given
 * @param lastPid a new process inside gets the next one
 * @throws Error it cannot be made, with container.c's words
 */
export async function startContainer(image: Image, shape: Shape, words: readonly string[] = [], lastPid = FIRST): Promise<Container> {
  const { namespaces = "mpiuc" } = shape
  const folder = scratch("container")
  const mergeable = shape.overlay || image.layers.length > 1
  // A root that is changed must not be another test's.
  const root = mergeable ? inside(folder, "root") : (image.layers[0] ?? "/nowhere")
  const said = join(folder, "said")
  const output = openSync(said, "w")
  const last = namespaces.includes("p") ? `${lastPid}` : "0"
  const tail = words.length > 0 ? ["--", "/work/output", ...words] : []
  const child = Bun.spawn([compileContainer(), namespaces, last, root, ...mounts(image, shape, folder), ...tail], {
    stdin: "ignore",
    stdout: output,
    stderr: output,
  })
  closeSync(output)
  const end = (): void => child.kill("SIGKILL")
  try {
    // Two processes say what must be there: either may be the first.
    const text = await waitFor("a container", () => {
      const text = readFileSync(said, "utf8")
      return /^FAIL/m.test(text) || [/^READY$/m, /^PID \d+$/m].every((word) => word.test(text)) ? text : undefined
    })
    if (text.includes("FAIL")) throw new Error(`A container was not made: ${text}`)
    const pid = Number(/^PID (\d+)$/m.exec(text)?.[1])
    return contained(pid, end)
  } catch (error) {
    end()
    throw error
  }
}

function contained(pid: number, end: () => void): Container {
  const work = `/proc/${pid}/root/work`
  const enter = ["nsenter", "--target", `${pid}`, "--all", "--"]
  return {
    pid,
    work,
    run: (...command) => run([...enter, ...command]),
    program: () => {
      const outside = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ")[0])
      if (!outside) throw new Error(`Container ${pid} has no program`)
      const ids = /^NSpid:\t(.*)$/m.exec(readFileSync(`/proc/${outside}/status`, "utf8"))?.[1]?.split("\t") ?? []
      return { outside, inside: Number(ids.at(-1)) }
    },
    lines: () => (existsSync(join(work, "output")) ? readFileSync(join(work, "output"), "utf8").split("\n").filter(Boolean) : []),
    has: (inside) => existsSync(`/proc/${pid}/root/proc/${inside}`),
    [Symbol.dispose]: () => {
      // Where it has no PIDs of its own, the end of PID 1 is not the end of all.
      const mine = linkOf(`/proc/${pid}/ns/mnt`)
      for (const name of readdirSync("/proc"))
        if (mine && /^\d+$/.test(name) && linkOf(`/proc/${name}/ns/mnt`) === mine) signal(Number(name), "SIGKILL")
      end()
    },
  }
}

/** Runs a program in a container and expects success; the error holds all it said. */
export async function must(container: Container, ...command: string[]): Promise<Run> {
  const result = await container.run(...command)
  if (result.status !== 0) throw new Error(`${command.join(" ")} ended with ${result.status}:\n${result.stderr}${result.stdout}`)
  return result
}

/** Waits until the program of a container says that it is set up. */
export const ready = async (container: Container): Promise<void> =>
  waitFor("READY in a container", () => container.lines().length > 0).then(() => {
    if (container.lines()[0] !== "READY") throw new Error(container.lines().join(" "))
  })

/** Asks the program of a container. @returns its last word */
export async function answer(container: Container): Promise<string> {
  writeFileSync(join(container.work, "ask"), "")
  return waitFor("the last word in a container", () => container.lines().find((line) => /^(OK|FAIL|SKIP)/.test(line)))
}

/** Copies what the first container's folder holds into the second's. */
export const carry = (from: Container, to: Container): void => void step(["cp", "-a", `${from.work}/.`, to.work], "/")
