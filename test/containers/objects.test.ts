/** Objects that belong to file systems and devices, in containers on overlayfs: their numbers are others in the second one. */
import { afterAll, describe, expect, test } from "bun:test"
import { discardAll } from "../harness/folders.ts"
import { answer, carry, must, ready, startContainer } from "./container.ts"
import { bareImage } from "./images.ts"

afterAll(discardAll)

const SHAPE = { overlay: true, namespaces: "mpiunc" } as const
const title = (words: readonly string[]): string => words.join(" ")
/** A victim's command: it is asked by a file, and works in the folder. */
const command = ([name = "", ...args]: readonly string[]): string[] => [`/bin/${name}`, "/work/ask", ...args]

/**
 * These compare the numbers of their files, so they come back where they were. What they watch is found by its number: no handle leads to
 * it.
 */
const WATCHING = [
  ["inotifies", "/work"],
  ["inotifies", "/work", "flags"],
  ["fanotifies", "/work"],
  ["fanotifies", "/work", "names"],
]

/** These know their files by their names. */
const NAMING = [
  ["ptys", "pair"],
  ["ptys", "alone"],
  ["ptytree"],
  ["inotifies", "/work", "shared"],
  ["inotifies", "/work", "deleted"],
  ["fifos", "/work"],
  ["unixnames", "listen", "/work"],
  ["memfds"],
]

const NAMES = [...new Set([...WATCHING, ...NAMING].map(([name = ""]) => name))]

describe("dumped and restored in a container on overlayfs", () => {
  for (const words of WATCHING)
    test(title(words), async () => {
      using container = await startContainer(bareImage(NAMES), SHAPE, command(words))
      await ready(container)
      const { inside } = container.program()
      await must(container, "/bin/stasis", "plan", `${inside}`)
      await must(container, "/bin/stasis", "dump", `${inside}`, "/work-images")
      await must(container, "/bin/stasis", "restore", "-d", "/work-images", "--verify")
      expect(await answer(container)).toBe("OK")
    })
})

describe("dumped in one container, restored in another", () => {
  for (const words of NAMING)
    test(title(words), async () => {
      using first = await startContainer(bareImage(NAMES), SHAPE, command(words))
      await ready(first)
      await must(first, "/bin/stasis", "dump", `${first.program().inside}`, "/work/images")
      using second = await startContainer(bareImage(NAMES), SHAPE, [], 5000)
      carry(first, second)
      await must(second, "/bin/stasis", "restore", "-d", "/work/images", "--verify")
      expect(await answer(second)).toBe("OK")
    })
})
