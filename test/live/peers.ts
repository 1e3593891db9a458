import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { compileVictim } from "../harness/compile.ts"
import { waitFor } from "../harness/deadline.ts"
import { launch, type Victim } from "../harness/victim.ts"

/**
 * A server of connections.c, to be dumped alone, and its client, which both go on until they are asked, by one file.
 *
 * @param address of the server, as the client has it   @param within words before the client's command, such as those of another namespace
 */
export async function pair(
  address = "127.0.0.1",
  within: readonly string[] = [],
): Promise<{ server: Victim; client: Victim; ask: () => void }> {
  const program = compileVictim("connections")
  const server = launch("server", [program, "{folder}/../ask", "listen", "{folder}/port"])
  const path = join(server.folder, "port")
  const port = await waitFor("the port", () => existsSync(path) && readFileSync(path, "utf8"))
  const client = launch("client", [...within, program, join(server.folder, "../ask"), "connect", address, port])
  await waitFor("the client", () => client.lines().includes("READY"))
  return { server, client, ask: () => writeFileSync(join(server.folder, "../ask"), "") }
}
