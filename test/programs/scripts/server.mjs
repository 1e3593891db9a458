/** An HTTP server: server.mjs ADDRESS. Counts the requests of each name, and answers with the count and a body that can be checked. */
import { createServer } from "node:http"

const counts = new Map()

const server = createServer((request, response) => {
  const [, number, turn] = request.url.split("/")
  counts.set(number, (counts.get(number) ?? 0) + 1)
  const body = `${number} ${turn} ${counts.get(number)}\n${`${turn},`.repeat(turn % 5000)}`
  response.writeHead(200, { "Content-Length": body.length })
  response.end(body)
})
server.keepAliveTimeout = 600_000
server.requestTimeout = 0

const [host, port] = process.argv[2].split(":")
if (port) server.listen(Number(port), host)
else server.listen(host)
