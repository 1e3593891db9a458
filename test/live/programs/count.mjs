// Timers, worker threads that compute and exchange messages, and file access through the thread pool, all at once.
import { createHash } from "node:crypto"
import { appendFile, readFile } from "node:fs/promises"
import { join } from "node:path"
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads"

if (!isMainThread) {
  const hash = createHash("sha256").update(`worker ${workerData}`)
  for (let round = 0; round < 40; round++) {
    for (let i = 0; i < 4000; i++) hash.update(`${round} ${i} ${workerData}`)
    parentPort.postMessage(round)
  }
  parentPort.postMessage(hash.digest("hex"))
} else {
  const output = join(process.argv[2], "output")
  let ticks = 0
  const timer = setInterval(() => ticks++, 5)
  const workers = [1, 2, 3].map(
    (number) =>
      new Promise((resolve, reject) => {
        const rounds = []
        const worker = new Worker(new URL(import.meta.url), { workerData: number })
        worker.on("error", reject)
        worker.on("message", (message) => (typeof message === "number" ? rounds.push(message) : resolve(`${rounds.length} ${message}`)))
      }),
  )
  console.log("READY")
  for (let i = 0; i < 100; i++) {
    await new Promise((resolve) => setTimeout(resolve, 15))
    await appendFile(output, `${i}\n`)
  }
  const results = await Promise.all(workers)
  clearInterval(timer)
  const text = await readFile(output, "utf8")
  if (ticks < 50) throw new Error(`only ${ticks} ticks`)
  console.log("RESULT", createHash("sha256").update(results.join() + text).digest("hex"))
  process.exit(0)
}
