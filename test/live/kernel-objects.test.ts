import { afterEach, describe, expect, test } from "bun:test"
import { readdirSync } from "node:fs"
import { cleanUp, statusOf } from "../harness/process.ts"
import { dump, run, stasisTool, toldError } from "../harness/tool.ts"
import { isReady, start } from "../harness/victim.ts"

afterEach(cleanUp)

const refuses = async (source: string, kind: string, what: string, next: string) => {
  const victim = await start(source, { args: [kind] })
  if (!isReady(victim)) return
  const told = toldError(await run([...stasisTool.command, "dump", "--json", "-t", `${victim.pid}`, "-D", victim.images]))
  expect(told).toMatchObject({ code: "E_UNSUPPORTED", found: expect.stringContaining(what), next: expect.stringContaining(next) })
  expect(readdirSync(victim.images)).toEqual([])
  expect(statusOf(victim.pid, "TracerPid")).toBe("0")
  victim.ask()
  expect(await victim.answer()).toBe("OK")
}

describe("dump refuses objects of the kernel by name, with what to do", () => {
  const objects: readonly (readonly [kind: string, what: string, next: string])[] = [
    ["io_uring", "a submission ring, of which nobody can read what it was set up with", "io_uring_disabled"],
    ["userfaultfd", "a page-fault handler", "unregister its memory"],
    ["memory under userfaultfd", "memory that a page-fault handler watches", "Let the handler"],
    ["perf_event", "a performance counter", "Stop the profiler"],
    ["BPF program", "a BPF program", "bpftool prog pin"],
    ["BPF link", "the attachment of a BPF program", "bpftool link pin"],
    ["BPF map of another type", "of type LRU_HASH: only HASH and ARRAY can be kept", "bpftool map pin"],
    ["large BPF map", "at most 256 of all maps can be kept", "a smaller map"],
    ["BPF ring buffer", "of type RINGBUF", "bpftool map pin"],
    ["BPF map in use", "which the loaded program", "Unload or detach that program"],
    ["socket with a filter of eBPF", "a filter of eBPF, which nobody can read", "SO_ATTACH_FILTER"],
    ["socket of a virtual machine", "a socket of AF_VSOCK", "close its connections"],
    ["socket of the crypto API", "a socket of AF_ALG", "close its connections"],
    ["multipath socket", "a socket of MPTCP", "mptcpize"],
    ["signed socket", "a TCP socket with keys that sign its segments", "remove its keys"],
    ["BPF types", "types of BPF", "close it"],
    ["FUSE", "the connection of a FUSE file system", "Unmount the file system"],
    ["Landlock rules", "a security rule set", "once it is enforced"],
    ["new mount", "a file system that is just being made", "when the program has mounted it"],
    ["secret memory", "secret memory", "secretmem.enable=0"],
    ["packet fanout program", "whose fanout runs a program", "by another way"],
    ["packet ring without its socket", "rings of a packet socket that the process does not have open", "keep the socket open"],
    ["packet ring in part", "a part of the rings of a packet socket", "unmap it"],
  ]
  for (const [kind, what, next] of objects) test(kind, () => refuses("kernelobjects", kind, what, next))
})

describe("dump refuses files in /proc that one of another process would not be like", () => {
  const files: readonly (readonly [name: string, what: string])[] = [
    ["auxv", "which still tells of the memory of a process that has ended"],
    ["net/dev", "which still tells of a namespace that is not ours"],
    ["thread", '/fd", a file about a thread, a descriptor or a mapping that has gone'],
  ]
  for (const [name, what] of files) test(name, () => refuses("departures", name, what, "close the file"))
})

test("a BPF map that somebody outside has open too is told: the restored program has one of its own", async () => {
  const victim = await start("kernelobjects", { args: ["BPF map that another has"] })
  if (!isReady(victim)) return
  const told = /fd \d+ is BPF map \d+, which task \d+ has open too/
  expect((await run([...stasisTool.command, "plan", `${victim.pid}`])).stdout).toMatch(told)
  expect((await dump(stasisTool, victim.pid, victim.images, "--leave-running", "--verify")).stderr).toMatch(told)
  victim.ask()
  expect(await victim.answer()).toBe("OK")
})
