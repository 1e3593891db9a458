/**
 * The compiled binary inside containers that the test makes: what they lack is not needed. In each a program with two threads, one of them
 * in a restartable sequence, and a tree are dumped and restored where they were, dumped again, and restored in a second container of the
 * same image, with other mounts, devices and inodes.
 */
import { afterAll, describe, expect, test } from "bun:test"
import { discardAll } from "../harness/folders.ts"
import { answer, type Container, carry, must, ready, type Shape, startContainer } from "./container.ts"
import { bareImage, busyboxImage, debianImage, type Image, imageOrSkip, muslImage } from "./images.ts"

afterAll(discardAll)

/** A kind of container. */
interface Kind extends Shape {
  readonly title: string
  readonly image: () => Image
  /** Programs that `npm test` takes through it; `npm run test:containers` takes all. */
  readonly short: number
}

/** An image is made once, and shared by those whose containers change nothing in it. */
const once = (make: () => Image): (() => Image) => {
  let made: Image | undefined
  return () => {
    made ??= make()
    return made
  }
}
const busybox = once(busyboxImage)

const KINDS: readonly Kind[] = [
  { title: "busybox", image: busyboxImage, short: 2 },
  { title: "Debian minbase", image: once(debianImage), short: 0 },
  { title: "musl", image: once(muslImage), short: 1, overlay: true },
  { title: "read-only root, one tmpfs", image: busybox, short: 1, readOnly: "64m" },
  { title: "/proc of processes alone", image: busybox, short: 1, overlay: true, proc: "subset=pid" },
  { title: "/proc that hides processes", image: busybox, short: 1, overlay: true, proc: "hidepid=2" },
  { title: "PIDs and /proc of the machine", image: busybox, short: 2, overlay: true, namespaces: "miuc", proc: "machine" },
  { title: "overlayfs", image: busybox, short: 1, overlay: true },
  { title: "no /sys", image: busybox, short: 1, overlay: true, sys: false },
  { title: "devices null, zero and tty", image: busybox, short: 1, overlay: true, nodes: ["null", "zero", "tty"] },
  { title: "no shell", image: once(bareImage), short: 1, overlay: true },
  { title: "no network", image: busybox, short: 1, overlay: true, namespaces: "mpiunc" },
  {
    title: "no shell, network, /sys, devices or writable root",
    image: once(bareImage),
    short: 1,
    namespaces: "mpiunc",
    readOnly: "64m",
    sys: false,
    nodes: ["null", "zero", "tty"],
  },
]

const ALL = process.env.STASIS_CONTAINERS === "all"
const PROGRAMS = [
  ["/bin/rseqspin", "/work/ask", "/work"],
  ["/bin/forest", "/work/ask", "2", "2"],
]

/** Dump and restore in one container, a second dump, and a restore in another. @returns the program's last word */
async function takeThrough(image: () => Image, shape: Shape, words: readonly string[]): Promise<string> {
  using first = await startContainer(image(), shape, words)
  await ready(first)
  const { inside } = first.program()
  const say = (container: Container, ...line: string[]) => must(container, "/bin/stasis", ...line)
  expect((await first.run("/bin/stasis", "check", "--json")).status).toBe(0)
  await say(first, "plan", `${inside}`)
  await say(first, "rseq", `${inside}`)
  await say(first, "dump", `${inside}`, "/work/one", "--verify")
  await say(first, "show", "/work/one")
  await say(first, "plan", "/work/one")
  await say(first, "restore", "-d", "/work/one", "--verify")
  expect(first.has(inside)).toBe(true)
  await say(first, "dump", `${inside}`, "/work/two")
  using second = await startContainer(image(), shape, [], 10 * inside)
  carry(first, second)
  await say(second, "plan", "/work/two")
  await say(second, "restore", "-d", "/work/two", "--verify")
  expect(second.has(inside)).toBe(true)
  return await answer(second)
}

for (const { title, image, short, ...shape } of KINDS)
  describe(title, () => {
    for (const words of ALL ? PROGRAMS : PROGRAMS.slice(0, short))
      test(`${words[0]}: dumped and restored inside, and in a second container`, async () => {
        if (!imageOrSkip(image, title)) return
        expect(await takeThrough(image, shape, words)).toBe("OK")
      }, 300_000)
  })
