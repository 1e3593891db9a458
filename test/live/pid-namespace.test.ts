import { afterEach, expect, test } from "bun:test"
import { readChildren } from "../../src/proc/tasks.ts"
import { waitFor } from "../harness/deadline.ts"
import { STASIS, scratch } from "../harness/folders.ts"
import { cleanUp, statusOf } from "../harness/process.ts"
import { dump, stasisTool } from "../harness/tool.ts"
import { launch, start } from "../harness/victim.ts"

afterEach(cleanUp)

/** Says PID, group and session of the tree, dumps it and restores it, and says them again. What `docker exec` starts has session 0 too. */
const SCRIPT = `
told() { for pid in $(ls /proc | grep '^[0-9]*$' | sort -n); do [ "$(cat /proc/$pid/comm 2>/dev/null)" = sleep ] && cut -d' ' -f1,5,6 /proc/$pid/stat; done | tr '\\n' ','; echo; }
ready() { until [ "$(cat /proc/$1/comm 2>/dev/null)" = sleep ]; do sleep 0.01 3>&-; done; }
sh -c 'sleep 600 & echo $! > child; exec sleep 601' &
root=$!
ready $root; ready $(cat child)
told
"$1" dump -j $root "$2" || exit
while [ -e /proc/$root ]; do wait $root 2>/dev/null; done
"$1" restore -j -d "$2" || exit
told
echo DONE
`

test("a tree whose session has its leader outside the PID namespace", async () => {
  const images = scratch("outside")
  const victim = launch("outside", ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", SCRIPT, "sh", STASIS, images])
  await waitFor("the end of the script", () => victim.lines().includes("DONE") || victim.members().length === 0)
  const [before = ""] = victim.lines()
  expect(before).toMatch(/^\d+ 0 0,\d+ 0 0,$/)
  expect(victim.lines()).toEqual([before, before, "DONE"])
})

test("as the first process of a PID namespace a restore hands on what is sent to end it, and ends as the tree does", async () => {
  const victim = await start("heap")
  await dump(stasisTool, victim.pid, victim.images)
  await victim.gone()
  const command = ["unshare", "--pid", "--fork", "--mount-proc", STASIS, "restore", "-D", victim.images]
  const outside = Bun.spawn(command, { stdin: "ignore", stdout: "ignore", stderr: "ignore" })
  const first = await waitFor("the first process", () => readChildren(outside.pid)[0])
  // It has other children on the way there, which sleep too.
  const runs = (pid: number): boolean => statusOf(pid, "Name") === "heap" && statusOf(pid, "TracerPid") === "0"
  await waitFor("the tree to run", () => readChildren(first).some(runs))
  process.kill(first, "SIGTERM")
  expect(await outside.exited).toBe(128 + 15)
})
