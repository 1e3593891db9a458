import { expect, test } from "bun:test"
import { STASIS } from "../harness/folders.ts"

/** What the probe of restartable sequences found, by the log. */
function regime(...before: string[]): string | undefined {
  const { stdout, stderr } = Bun.spawnSync([...before, STASIS, "check", "-v4"], { stdin: "ignore", timeout: 20_000 })
  return `${stdout}${stderr}`.match(/NO_RESTART sections: (\w+)/)?.[1]
}

test("started with SIGCHLD ignored, the tool still learns how its children end", () => {
  const usual = regime()
  expect(usual).toBeDefined()
  expect(regime("env", "--ignore-signal=CHLD")).toBe(usual!)
})

test("where files in memory are not executable unless they ask for it, its programs run (vm.memfd_noexec=1)", () => {
  const limited = ["unshare", "-p", "-f", "--mount-proc", "sh", "-c", 'echo 1 >/proc/sys/vm/memfd_noexec && exec "$@"', "sh"]
  expect(regime(...limited)).toBe(regime()!)
})
