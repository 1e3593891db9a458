import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test"
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs"
import { join } from "node:path"
import { type ErrorCode, EXIT_STATUS } from "../../src/base/errors.ts"
import { discard, scratch } from "../harness/folders.ts"
import { cleanUp, endNow } from "../harness/process.ts"
import { dump, restore, run, stasisTool, toldError } from "../harness/tool.ts"
import { start, type Victim } from "../harness/victim.ts"
import { copyImages, fingerprint } from "./images.ts"
import { plan } from "./plans.ts"

let victim: Victim
/** The only image whose name ends so, e.g. "core" for core-123.img. */
const image = (folder: string, kind: string) =>
  join(
    folder,
    readdirSync(folder)
      .sort()
      .find((name) => new RegExp(`^${kind}(-\\d+)?\\.img$`).test(name)) ?? `no ${kind}`,
  )

function overwrite(path: string, at: number, bytes: number[]): void {
  const content = readFileSync(path)
  content.set(bytes, at)
  writeFileSync(path, content)
}

const cutHalf = (path: string) => truncateSync(path, Math.floor(statSync(path).size / 2))

/** What is done to a good set, and the codes that may follow. */
const spoils: readonly (readonly [string, (folder: string) => void, readonly ErrorCode[]])[] = [
  ...["inventory", "pstree", "core", "ids", "mm", "fs", "files", "fdinfo", "pagemap", "pages"].map(
    (kind) => [`${kind} is missing`, (folder: string) => rmSync(image(folder, kind)), ["E_IMAGE_MISSING"]] as const,
  ),
  ...["inventory", "pstree", "core", "mm", "files", "pagemap", "pages"].map(
    (kind) => [`${kind} is cut in half`, (folder: string) => cutHalf(image(folder, kind)), ["E_IMAGE_CORRUPT"]] as const,
  ),
  ...["inventory", "pstree", "core", "mm", "files"].map(
    (kind) => [`${kind} is empty`, (folder: string) => truncateSync(image(folder, kind)), ["E_IMAGE_CORRUPT"]] as const,
  ),
  ["the magic of core is wrong", (folder) => overwrite(image(folder, "core"), 4, [1, 2, 3, 4]), ["E_IMAGE_CORRUPT"]],
  ["the common magic of mm is wrong", (folder) => overwrite(image(folder, "mm"), 0, [9, 9, 9, 9]), ["E_IMAGE_CORRUPT", "E_IMAGE_VERSION"]],
  ["an entry says that it is 4 GiB long", (folder) => overwrite(image(folder, "core"), 8, [255, 255, 255, 255]), ["E_IMAGE_CORRUPT"]],
  // Inventory: magic, entry size, then field 1 (tag 0x08) = img_version.
  ["the version is 3", (folder) => overwrite(image(folder, "inventory"), 9, [3]), ["E_IMAGE_VERSION"]],
  ["a message is no message", (folder) => overwrite(image(folder, "mm"), 12, Array(16).fill(255)), ["E_IMAGE_CORRUPT"]],
  ["bytes follow the last entry of pstree", (folder) => appendFileSync(image(folder, "pstree"), "\u0007"), ["E_IMAGE_CORRUPT"]],
]

beforeAll(async () => {
  victim = await start("threads")
  await dump(stasisTool, victim.pid, victim.images)
  await victim.gone()
})
afterAll(cleanUp)

const tryRestore = (folder: string) => run([...stasisTool.command, "restore", "--json", "-d", "-D", folder])

describe("restore refuses a spoilt set, and nothing of it comes to life", () => {
  // What came to life against the rules must not hold the PID in the next test.
  afterEach(async () => {
    endNow(victim.pid)
    await victim.gone()
  })

  for (const [title, spoil, codes] of spoils)
    test(title, async () => {
      const folder = scratch("spoilt")
      copyImages(victim.images, folder)
      spoil(folder)
      const before = fingerprint(folder)
      const planned = await plan(folder)
      const result = await tryRestore(folder)
      expect({ planned: planned.status }).toEqual({ planned: result.status })
      const told = toldError(result)
      expect(codes as readonly string[]).toContain(told.code)
      expect(result.status).toBe(EXIT_STATUS[told.code as ErrorCode])
      expect(existsSync(`/proc/${victim.pid}`)).toBe(false)
      expect(fingerprint(folder)).toEqual(before)
      discard(folder)
    })

  test("an empty directory", async () => {
    expect(toldError(await tryRestore(scratch("empty"))).code).toBe("E_IMAGE_MISSING")
  })

  test("a directory that does not exist", async () => {
    expect(["E_DIRECTORY", "E_IMAGE_MISSING"]).toContain(toldError(await tryRestore(join(scratch("empty"), "none"))).code)
  })

  test("the good set is still good, and a second restore finds the PID taken", async () => {
    await restore(stasisTool, victim.images)
    const second = await tryRestore(victim.images)
    expect(toldError(second).code).toBe("E_PID_TAKEN")
    expect(second.status).toBe(EXIT_STATUS.E_PID_TAKEN)
    victim.ask()
    expect(await victim.answer()).toBe("OK")
  })
})

describe("restore refuses files that changed", () => {
  afterEach(cleanUp)
  const replace = (path: string): void => {
    rmSync(path)
    mkdirSync(path)
  }
  const changes: readonly (readonly [string, (path: string) => void, string])[] = [
    ["mapped", (path) => rmSync(path), "it does not exist"],
    ["mapped", (path) => appendFileSync(path, "more"), "bytes now"],
    ["mapped", replace, "it is a directory now and was a regular file"],
    ["data", (path) => rmSync(path), "it does not exist"],
    ["data", replace, "it is a directory now and was a regular file"],
    ["data", (path) => chmodSync(path, 0), "its permissions are 00 now"],
  ]
  for (const [file, change, found] of changes)
    test(`a ${file === "data" ? "file that is open" : "mapped file"}: ${found}`, async () => {
      const mapped = await start(file === "data" ? "files" : "maps", { args: ["{folder}"] })
      await dump(stasisTool, mapped.pid, mapped.images)
      await mapped.gone()
      change(join(mapped.folder, file))
      const result = await tryRestore(mapped.images)
      expect(toldError(result)).toMatchObject({ code: "E_FILE_CHANGED", found: expect.stringContaining(found) })
      expect(result.status).toBe(EXIT_STATUS.E_FILE_CHANGED)
      expect(existsSync(`/proc/${mapped.pid}`)).toBe(false)
    })
})
