import { afterEach, expect, test } from "bun:test"
import { compileVictim } from "../harness/compile.ts"
import { STASIS, scratch } from "../harness/folders.ts"
import { cleanUp } from "../harness/process.ts"
import { skip } from "../harness/skip.ts"
import { dump, run, stasisTool } from "../harness/tool.ts"
import { isReady, start } from "../harness/victim.ts"

afterEach(cleanUp)

test("a packet that nobody has read is told as lost by plan and dump, and stays where it is when the tree runs on", async () => {
  const victim = await start("packets", { args: ["queued"] })
  if (!isReady(victim)) return
  const lost = /not kept: packets that a packet socket had not read yet \((task \d+ )?fd \d+, \d+ bytes/
  const plan = await run([...stasisTool.command, "plan", `${victim.pid}`])
  expect(plan.status).toBe(0)
  expect(plan.stdout).toMatch(lost)
  const { stderr } = await dump(stasisTool, victim.pid, victim.images, "--leave-running", "--verify")
  expect(stderr).toMatch(lost)
  victim.ask()
  expect(await victim.answer()).toBe("OK")
})

const missing = ["unshare", "ip"].some((name) => Bun.which(name) === null)
if (missing) skip("a network of the test's own needs unshare and ip")

const PAIR = "ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up"
/** Runs in a network namespace of its own, and leaves what the restored program said last. */
const SCRIPT = `
${PAIR} || { echo SKIP no veth; exit; }
echo started
"$1" "$3/ask" device v0 >"$3/out" 2>&1 </dev/null &
pid=$!
until grep -qE "READY|SKIP" "$3/out"; do sleep 0.05; done
grep SKIP "$3/out" && exit
"$2" dump -t $pid -D "$3/images" || exit 1
wait $pid
ip link del v0
"$2" plan -D "$3/images" && exit 2
ip link add w0 type veth peer name w1 && ${PAIR} || exit 3
"$2" restore -D "$3/images" -d --verify || exit 4
touch "$3/ask"
until grep -qE "^(OK|FAIL)" "$3/out"; do sleep 0.05; done
tail -n 1 "$3/out"
`

test.skipIf(missing)(
  "devices are found by their names, whatever their numbers are by then, and are missed before anything is made",
  async () => {
    const folder = scratch("devices")
    const command = ["unshare", "--net", "sh", "-c", SCRIPT, "sh", compileVictim("packets"), STASIS, folder]
    const { stdout, stderr, status } = await run(command)
    if (stdout.includes("SKIP") || !stdout.includes("started")) return skip(`${stdout}${stderr}`)
    expect(`${status} ${stderr}`).toMatch(/^0 /)
    expect(stdout).toContain('there is no network device "v0"')
    expect(stdout.trim().split("\n").at(-1)).toBe("OK")
  },
)
