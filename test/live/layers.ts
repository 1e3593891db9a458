import { copyFileSync } from "node:fs"
import { join } from "node:path"
import { compileVictim } from "../harness/compile.ts"
import { waitFor } from "../harness/deadline.ts"
import { scratch } from "../harness/folders.ts"
import { isReady, launch, type Victim } from "../harness/victim.ts"
import { command, type Mounts } from "./mounts.ts"
import { overlayOf } from "./trials.ts"

let layers = 0

/** Starts layers.c on overlayfs: its files and its program are in the lower layer. */
export async function startLayers(mounts: Mounts, what: string): Promise<Victim> {
  const name = `layers-${layers++}`
  const lower = mounts.mount(`${name}-lower`, "-t", "tmpfs", "tmpfs")
  const compiled = compileVictim("layers")
  copyFileSync(compiled, join(lower, "program"))
  command(compiled, "/nowhere", lower, "make")
  const path = mounts.mount(name, ...overlayOf(lower, mounts.mount(`${name}-upper`, "-t", "tmpfs", "tmpfs")))
  const victim = launch("layers", [join(path, "program"), "{folder}/../ask", path, what], { base: scratch("layers") })
  await waitFor("READY of layers", () => victim.lines().length > 0)
  if (!isReady(victim)) throw new Error(`layers did not start: ${victim.lines().join(" ")}`)
  return victim
}
