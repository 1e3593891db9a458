import { afterEach, beforeAll, describe, expect, test } from "bun:test"
import { copyFileSync, linkSync, mkdirSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { makePortable } from "../../build/portable.ts"
import { compileVictim } from "../harness/compile.ts"
import { waitFor } from "../harness/deadline.ts"
import { CACHE, STASIS, scratch } from "../harness/folders.ts"
import { cleanUp } from "../harness/process.ts"
import { launch } from "../harness/victim.ts"

const portable = join(CACHE, "portable/stasis")

/**
 * Uses the portable executable for everything, in a root with nothing but it, a static victim and /proc: no program is there that it could
 * run, no library, no /dev, no /tmp. Says what is open in what it restored.
 */
const SCRIPT = `
root=$1; proc=$root/proc
stasis() { chroot "$root" /stasis "$@"; }
found() { grep -q "$1" "$root/output" 2>/dev/null; }
mount -t proc proc "$proc" || exit
setsid chroot "$root" /victim /ask /work <&- >"$root/output" 2>&1 &
pid=$!
until found '^READY\\|^FAIL\\|^SKIP'; do sleep 0.02; done
stasis --version || exit
stasis check >"$root/said" || exit
stasis plan $pid >"$root/said" || exit
stasis rseq $pid >"$root/said" || exit
stasis dump $pid /images || exit
wait $pid; echo "victim ended with $?"
stasis show /images >"$root/said" || exit
stasis rseq -D /images >"$root/said" || exit
stasis plan /images >"$root/said" || exit
chroot "$root" /stasis restore /images & tool=$!
until [ "$(cat $proc/$pid/comm 2>/dev/null)" = victim ]; do kill -0 $tool || exit; sleep 0.02; done
case $(readlink $proc/$tool/exe) in */stasis) echo "the tool is its PID";; esac
until [ "$(grep TracerPid $proc/$pid/status)" = "TracerPid:	0" ]; do sleep 0.02; done
for fd in $proc/$pid/fd/*; do echo "open in victim: \${fd##*/} $(readlink $fd)"; done
[ "$END" = ask ] && : >"$root/ask" || kill -USR1 $pid
wait $tool; echo "tool ended with $?"
echo DONE
`

describe.skipIf(process.arch !== "x64")("the portable executable", () => {
  beforeAll(() => {
    makePortable(STASIS, portable)
  })
  afterEach(cleanUp)

  /** An empty root for one victim. */
  function emptyRoot(victim: string): string {
    const root = scratch("empty-root")
    for (const name of ["proc", "work", "images"]) mkdirSync(join(root, name))
    try {
      linkSync(portable, join(root, "stasis"))
    } catch {
      copyFileSync(portable, join(root, "stasis"))
    }
    copyFileSync(compileVictim(victim, "static"), join(root, "victim"))
    return root
  }

  test.each([
    ["rseqcount", "ask", 0],
    ["heap", "signal", 128 + 10],
  ])("dumps and restores %s in an empty root", async (victim, end, status) => {
    const root = emptyRoot(victim)
    const command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", SCRIPT, "sh", root]
    const shell = launch("portable", command, { env: { END: end } })
    await waitFor("the end of the script", () => shell.lines().includes("DONE") || shell.members().length === 0)
    expect(shell.lines()).toEqual([
      expect.stringMatching(/^stasis \d/),
      "victim ended with 137",
      "the tool is its PID",
      // Nothing of the tool's.
      `open in victim: 1 ${join(root, "output")}`,
      `open in victim: 2 ${join(root, "output")}`,
      `tool ended with ${status}`,
      "DONE",
    ])
    const answer = readFileSync(join(root, "output"), "utf8").trim().split("\n").at(-1)
    expect(answer).toBe(end === "ask" ? "OK" : "READY")
    const [known, all] = [["ask", "images", "output", "proc", "said", "stasis", "victim", "work"], readdirSync(root).sort()]
    expect(all).toEqual(end === "ask" ? known : known.slice(1))
  })
})
