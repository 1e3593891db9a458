import { mkdirSync, mkdtempSync, truncateSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fetchPackages } from "../harness/debian.ts"
import { discard } from "../harness/folders.ts"

/** Mounted file systems in a folder of their own, unmounted when the scope ends, and when the tests are killed. */
export interface Mounts extends Disposable {
  readonly folder: string
  /** Mounts something at a directory of the folder, which is made. @param args words of mount(8) @returns its path @throws Error */
  mount(name: string, ...args: string[]): string
  /** @throws Error somebody uses it */
  unmount(name: string): void
}

/** Runs a command. @throws Error with its words */
export function command(...words: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(words, { stdin: "ignore", stdout: "ignore" })
  if (exitCode !== 0) throw new Error(`${words.join(" ")} ended with ${exitCode}: ${stderr.toString().trim()}`)
}

/** Takes all away when its input ends, as it does when the tests are killed. */
const GUARD =
  'trap "" INT TERM HUP; cat >/dev/null; for path in "$1"/*/; do umount -l "$path" 2>/dev/null; done; rm -rf --one-file-system "$1"'

export function openMounts(): Mounts {
  // Not by `scratch`: the end of each test removes what that made.
  const folder = mkdtempSync(join(tmpdir(), "stasis-live-mounts-"))
  const guard = Bun.spawn(["sh", "-c", GUARD, "sh", folder], { stdin: "pipe", stdout: "ignore", stderr: "ignore" })
  const mounted: string[] = []
  return {
    folder,
    mount(name, ...args) {
      const path = join(folder, name)
      mkdirSync(path, { recursive: true })
      command("mount", ...args, path)
      mounted.push(path)
      return path
    },
    unmount(name) {
      command("umount", join(folder, name))
      mounted.splice(mounted.lastIndexOf(join(folder, name)), 1)
    },
    [Symbol.dispose]() {
      for (const path of mounted.toReversed()) Bun.spawnSync(["umount", "-l", path])
      guard.stdin.end()
      discard(folder)
    },
  }
}

const ROOMY = 400 << 20
const WANTED = { suite: "bookworm", packages: ["btrfs-progs", "xfsprogs"], only: (file: string) => /^(lib|btrfs|xfs)/.test(file) }

/** Runs a program of btrfs-progs or xfsprogs, fetched at the first call. @throws Error */
export function administer(program: string, ...args: string[]): void {
  const root = fetchPackages("filesystems", WANTED)
  const libraries = ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"].map((folder) => join(root, folder))
  command(join(root, "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"), "--library-path", libraries.join(":"), join(root, program), ...args)
}

/** Makes a file with an empty file system in it. @returns its path @throws Error why this machine cannot have it */
export function makeImage(folder: string, type: "btrfs" | "xfs"): string {
  const path = join(folder, `${type}.img`)
  writeFileSync(path, "")
  truncateSync(path, ROOMY)
  administer(`sbin/mkfs.${type}`, "-q", path)
  return path
}
