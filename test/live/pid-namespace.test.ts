import { afterEach, expect, test } from "bun:test"
import { waitFor } from "../harness/deadline.ts"
import { STASIS, scratch } from "../harness/folders.ts"
import { cleanUp } from "../harness/process.ts"
import { launch } from "../harness/victim.ts"

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
