import { existsSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Fetched } from "./fetch.ts"

/** Clients in the tree of the server, over a unix socket; or outside it over TCP, "anew" with a new connection for each request. */
export type Place = "inside" | "loopback" | "namespace" | "anew"

/** A server that many clients count with: see scripts/client.py. */
export interface Server {
  readonly name: string
  /** What the client speaks. */
  readonly protocol: "redis" | "http" | "static"
  /** Its command for an address (a path or HOST:PORT) and a folder for its files, or undefined where a program is missing. */
  readonly command: (fetched: Fetched, address: string, folder: string) => readonly string[] | undefined
  /** Where its clients are. */
  readonly places: readonly Place[]
}

/** A script of ours. */
export const script = (name: string): string => join(import.meta.dir, "scripts", name)

/** The host and port of an address that is no path. */
const parts = (address: string): { host: string; port: string } | undefined => {
  const [, host, port] = /^([\d.]+):(\d+)$/.exec(address) ?? []
  return host && port ? { host, port } : undefined
}

function redis(fetched: Fetched, address: string): readonly string[] | undefined {
  const tcp = parts(address)
  const place = tcp ? ["--bind", tcp.host, "--port", tcp.port, "--protected-mode", "no"] : ["--port", "0", "--unixsocket", address]
  const program = fetched("redis-server")
  return program && [...program, "--save", "", "--appendonly", "no", ...place]
}

/** Bytes of the file that nginx serves: more than the buffers of a connection, so that a dump meets it half sent. */
const FILE_BYTES = 3_000_000

function nginx(fetched: Fetched, address: string, folder: string): readonly string[] | undefined {
  const content = Array.from({ length: FILE_BYTES / 8 }, (_, index) => `${index}`.padStart(7, ".")).join(" ")
  for (const name of ["www", "logs", "temp"]) mkdirSync(join(folder, name), { recursive: true })
  writeFileSync(join(folder, "www/file"), `${Bun.hash.crc32(content)}\n${content}`)
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${folder}/temp/${name};`)
  writeFileSync(
    join(folder, "nginx.conf"),
    `user root; worker_processes 2; daemon off; pid ${folder}/pid; error_log ${folder}/logs/error;
events { worker_connections 256; }
http {
  ${temporary.join(" ")}
  log_format turn '$args $status $body_bytes_sent'; access_log ${folder}/logs/access turn;
  sendfile on; keepalive_requests 100000000; keepalive_timeout 600s; send_timeout 600s;
  server { listen ${parts(address) ? address : `unix:${address}`}; root ${folder}/www; }
}
`,
  )
  const program = fetched("nginx")
  return program && [...program, "-p", folder, "-e", `${folder}/logs/error`, "-c", `${folder}/nginx.conf`]
}

const NODE = "/usr/bin/node"

function python(fetched: Fetched, address: string): readonly string[] | undefined {
  const program = fetched("python3.13")
  return program && [...program, script("server.py"), address]
}

export const servers: readonly Server[] = [
  { name: "redis-server", protocol: "redis", command: redis, places: ["inside", "loopback", "namespace"] },
  { name: "nginx", protocol: "static", command: nginx, places: ["inside", "loopback", "namespace", "anew"] },
  { name: "python3", protocol: "http", command: python, places: ["inside", "loopback"] },
  // Debian's node finds parts of itself only where it is installed: this is the machine's.
  {
    name: "node",
    protocol: "http",
    command: (_, address) => (existsSync(NODE) ? [NODE, script("server.mjs"), address] : undefined),
    places: ["inside", "loopback", "anew"],
  },
  { name: "bun", protocol: "http", command: (_, address) => [process.execPath, script("server.mjs"), address], places: ["loopback"] },
]
