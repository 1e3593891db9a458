import { describe, expect, test } from "bun:test"
import { copyFileSync, readdirSync, truncateSync, unlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { show } from "../../src/cli/show.ts"
import { mapWords, openWords, signalWords, sizeWords } from "../../src/cli/show-words.ts"
import { catalog, type EntryImage, type EntryKind, type Kind } from "../../src/image/catalog.ts"
import { fileName, imageOf } from "../../src/image/name.ts"
import { encodeImage } from "../../src/image/write.ts"
import { failureOf } from "../harness/failure.ts"
import { scopedFolder } from "../harness/folders.ts"
import { writeExample } from "../image/example.ts"
import { fullMessage } from "../image/messages.ts"
import { inventory } from "../image/sample.ts"

const text = (path: string, image?: string): string => show(path, { json: false, image })
const data = (path: string, image?: string): Record<string, unknown> => JSON.parse(show(path, { json: true, image }))

describe("show of a directory", () => {
  test("waits for nobody where a FIFO has the name of an image", () => {
    using dir = scopedFolder()
    writeExample(dir.path)
    unlinkSync(join(dir.path, "seccomp.img"))
    Bun.spawnSync(["mkfifo", join(dir.path, "seccomp.img")])
    expect(text(dir.path)).toContain("damaged: it is a FIFO")
    expect(failureOf(() => text(join(dir.path, "seccomp.img")))).toMatchObject({ code: "E_IMAGE_CORRUPT" })
  })

  test("begins with sizes, then the tree, threads, areas, files and images", () => {
    using dir = scopedFolder()
    writeExample(dir.path)
    const lines = text(dir.path)
      .replace(dir.path, "DIR")
      .split("\n")
      .map((line) => line.replace(/ +/g, " ").trim())
    for (const line of [
      "2 processes, 2 threads, 5 areas (424 KiB mapped), 3 descriptors",
      "image version 2, written by stasis 0.1.0",
      "1140 t1 alive 2 0 1140 1140 /demo/t1",
      "1150 gone dead 0 1140 1140 1140",
      "1140 t1 0x7f243cf3a545 libc.so.6+0x545 idle 0x7f243cf37d60 32 0x53053053 -",
      "1141 helper 0x55ecb9efe010 t1+0x1010 abortable 0x7f243c736d60 32 0x53053053 -",
      "55ecb9efe000-55ecb9eff000 4 KiB r-x private 1 /demo/t1",
      "55ecc4f70000-55ecc4f91000 132 KiB rw- private anon 2 [heap]",
      "7fff431f3000-7fff43214000 132 KiB rw- private anon growsdown 3 [stack]",
      "cwd dir /demo",
      "4 pipe w cloexec pipe:[1324077] write end",
      "5 reg 4 rw largefile /demo/data\\xff.txt",
      "pages-1.img 24 KiB 6 pages",
      "seccomp.img 12 B 1",
    ]) {
      expect(lines).toContain(line)
    }
    expect(lines.slice(0, 2)).toEqual(["DIR", "26.3 KiB in 15 images: 24 KiB of pages (6), 2.3 KiB of metadata"])
  })

  test("has a JSON form with the same content", () => {
    using dir = scopedFolder()
    writeExample(dir.path)
    const shown = data(dir.path)
    expect(shown).toMatchObject({
      inventory: { img_version: 2, fdinfo_per_id: true },
      errors: [],
      processes: [
        {
          pid: 1140,
          name: "t1",
          state: "alive",
          threads: [
            { tid: 1140, rseq_class: "idle", rseq: { rseq_abi_size: 32 } },
            { tid: 1141, rseq_class: "abortable" },
          ],
          files: [
            { fd: 3, kind: "pipe" },
            { fd: 4, cloexec: true },
            { fd: 5, what: "/demo/data\udcff.txt", pos: 4 },
          ],
        },
        { pid: 1150, state: "dead", threads: [] },
      ],
    })
    expect(shown.images).toHaveLength(15)
  })

  test("shows what it can of a damaged set and names what is wrong", () => {
    using dir = scopedFolder()
    writeExample(dir.path)
    truncateSync(join(dir.path, "core-1141.img"), 30)
    unlinkSync(join(dir.path, "files.img"))
    const shown = text(dir.path)
    expect(shown).toContain("Cannot read image core-1141.img: entry 0 (core_entry) at byte 12 should have 199 bytes, 18 are left")
    expect(shown).toContain("damaged: entry 0 (core_entry) at byte 12")
    expect(shown).toContain("1150  gone  dead")
  })

  test("shows a pre-dump, and refuses a directory without inventory.img", () => {
    using dir = scopedFolder()
    expect(failureOf(() => text(dir.path))).toMatchObject({ code: "E_IMAGE_MISSING" })
    expect(failureOf(() => text(join(dir.path, "no")))).toMatchObject({ code: "E_IMAGE_MISSING" })
    writeFileSync(join(dir.path, "inventory.img"), encodeImage("inventory", [{ ...inventory, img_version: 0 }]))
    expect(text(dir.path)).toContain("image version 0 (pre-dump: pages only)")
  })
})

describe("show of one image", () => {
  test("works for every kind, in both forms", () => {
    using dir = scopedFolder()
    for (const kind of Object.keys(catalog) as Kind[]) {
      if (catalog[kind].framing === "raw") continue
      const image: EntryImage = catalog[kind as EntryKind]
      const name = fileName(kind, image.file.includes("%s") ? "dump" : image.file.includes("%") ? 1 : undefined)
      const path = join(dir.path, name)
      const body = fullMessage(image.head)
      const counts = { bytes: 0, length: 0, inq_len: 0, outq_len: 0, keys_bytes: 0, values_bytes: 0, nsems: 0, qnum: 0 }
      const known = Object.fromEntries(Object.entries(counts).filter(([field]) => image.payload.length > 0 && field in body))
      writeFileSync(path, encodeImage(kind as "seccomp", [{ ...body, ...known } as never]))
      expect(imageOf(name)?.kind).toBe(kind)
      const first = Object.keys(body)[0] ?? ""
      expect(text(path)).toContain(first)
      expect(data(path)).toMatchObject({ file: name, kind, entries: [{ message: {} }] })
    }
    expect(readdirSync(dir.path).length).toBeGreaterThan(60)
  })

  test("writes words for flags, names for signals and limits, and joins what is alike", () => {
    using dir = scopedFolder()
    writeExample(dir.path)
    const core = text(dir.path, "core-1140")
    expect(core).toContain("task_state  1 (alive)")
    expect(core).toContain(
      "SIGSEGV        sigaction 0x55ecb9efe100, flags 0x14000004 (siginfo restorer restart), restorer 0x7f243cf40000, mask 0x4002 (SIGINT SIGTERM)",
    )
    expect(core).toContain("SIGHUP-SIGUSR1 sigaction 0x0, flags 0x0 (none)")
    expect(core).toContain("cpu-rttime cur 1024, max unlimited")
    expect(text(dir.path, "mm-1140.img")).toContain("prot 0x5 (r-x), flags 0x2 (private), status 0x41 (regular file-private)")
    expect(text(dir.path, "mm-1140.img")).toContain("sysinfo_ehdr       0x7f243d12e000")
    expect(text(dir.path, "pagemap-1140")).toContain("2 vaddr 0x55ecc4f70000, compat_nr_pages 0, flags 0x6 (lazy present), nr_pages 2")
    expect(text(dir.path, "pages-1")).toBe("pages-1.img: 6 pages of 4096 bytes (24 KiB), named by pagemap-1140.img")
    expect(text(dir.path, "pipes-data")).toContain('payload 5 bytes 68656c6c6f "hello"')
    expect(data(dir.path, "pipes-data")).toMatchObject({ entries: [{ message: { pipe_id: 1324077 }, payload: "68656c6c6f" }] })
    expect(data(dir.path, "core-1140")).toMatchObject({
      entries: [{ message: { mtype: "X86_64", thread_info: { gpregs: { ax: "18446744073709551612", cs: 51 } } } }],
    })
  })

  test("knows a renamed image by its words, and says what is none", () => {
    using dir = scopedFolder()
    writeExample(dir.path)
    copyFileSync(join(dir.path, "core-1140.img"), join(dir.path, "saved"))
    expect(text(join(dir.path, "saved"))).toStartWith("saved: core, 1 entry,")
    writeFileSync(join(dir.path, "notes"), "hello, world")
    expect(failureOf(() => text(join(dir.path, "notes")))).toMatchObject({ code: "E_IMAGE_UNSUPPORTED" })
    expect(failureOf(() => text(dir.path, "core-1"))).toMatchObject({ code: "E_IMAGE_MISSING" })
    truncateSync(join(dir.path, "mm-1140.img"), 11)
    expect(failureOf(() => text(dir.path, "mm-1140"))).toMatchObject({ code: "E_IMAGE_CORRUPT" })
  })

  test("keeps control characters off the terminal", () => {
    using dir = scopedFolder()
    writeExample(dir.path)
    const tc = { task_state: 1, exit_code: 0, personality: 0, flags: 0, blk_sigset: 0n, comm: "\u001b[31m\u009b", sigactions: [] }
    writeFileSync(join(dir.path, "core-1140.img"), encodeImage("core", [{ mtype: 1, tc }]))
    for (const shown of [text(dir.path), text(dir.path, "core-1140")]) expect(/\p{Cc}/u.test(shown.replaceAll("\n", ""))).toBe(false)
  })
})

describe("words", () => {
  test("openWords, mapWords, signalWords, sizeWords", () => {
    expect(openWords(0x802)).toBe("rw nonblock")
    expect(mapWords(0x40022 | (21 << 26))).toBe("private anon hugetlb 2048KiB-pages")
    expect(signalWords(0xfffffffffffffeffn)).toBe("all but SIGKILL")
    expect(signalWords(0x200000002n)).toBe("SIGINT SIG34")
    expect([sizeWords(12), sizeWords(1536), sizeWords(5 * 2 ** 40)]).toEqual(["12 B", "1.5 KiB", "5 TiB"])
  })
})
