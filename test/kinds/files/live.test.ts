import { describe, expect, test } from "bun:test"
import { readFileSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fd_types } from "../../../proto/gen/fdinfo_pb.ts"
import { TtyType } from "../../../proto/gen/tty_pb.ts"
import { checkFiles } from "../../../src/kinds/files/check.ts"
import type { FileImages } from "../../../src/kinds/files/images.ts"
import { STRICT, USUAL } from "../../../src/kinds/files/keeping.ts"
import { lookAtDescriptors } from "../../../src/kinds/files/look.ts"
import { restoreDescriptors } from "../../../src/kinds/files/restore.ts"
import { scanAll } from "../../../src/kinds/files/scan-all.ts"
import { REFUSED } from "../../../src/kinds/files/socket/inet/modes.ts"
import { findTerminalHolders, masterIndex, whoHasTerminal } from "../../../src/kinds/files/tty/holders.ts"
import { Outside } from "../../../src/proc/outside.ts"
import { canRun, perform, why } from "../fixture.ts"
import { type Holder, holding, imagesOf, startHolder } from "./holder.ts"
import { PLAIN_RESTORE } from "./plans.ts"

const RESERVED = 900
const PLAIN = { ...USUAL, ...STRICT, ...REFUSED, shellJob: false, buildIdOf: () => [] }

/** Images as text that two processes with the same files share: other pipes, other PIDs. */
function comparable({ fdinfos, files, pipesData, extension }: FileImages, pid: number): string {
  const pipes = new Map<number, number>()
  const named = (id: number): number => pipes.getOrInsert(id, pipes.size)
  const entries = fdinfos
    .filter(({ fd }) => fd !== RESERVED)
    .map((info) => {
      const file = structuredClone(files.get(info.id)!)
      const body = file.reg ?? file.pipe ?? file.efd ?? file.epfd
      if (body?.fown.pid === pid) body.fown.pid = 1
      if (file.pipe) file.pipe.pipe_id = named(file.pipe.pipe_id)
      // The kernel lists what an epoll watches by the addresses of the files.
      file.epfd?.tfd.sort((a, b) => a.tfd - b.tfd)
      for (const watched of file.epfd?.tfd ?? []) watched.inode = 0n
      return { ...info, file }
    })
  const content = pipesData.map(({ message, payload }) => [named(message.pipe_id), message.size, Bun.hash(payload), payload.length])
  const facts = extension.map(({ epoll, ...more }) => ({ ...more, ...(epoll && { added: epoll.added, own: epoll.process === pid }) }))
  return JSON.stringify({ entries, content, facts }, (_, value) => (typeof value === "bigint" ? `${value}n` : value), 1)
}

/** Gives the files of one process to another one, through images and a program. */
function transplant(images: FileImages, from: number, { pid }: Holder): void {
  for (const { reg } of images.files.values()) if (reg?.fown.pid === from) reg.fown.pid = pid
  const self = { pid, uid: 0, euid: 0, egid: 0 }
  perform(pid, (program) => {
    restoreDescriptors(images, program, {
      ...PLAIN_RESTORE,
      reserved: new Set([RESERVED]),
      placeholder: RESERVED,
      self,
      finishes: () => true,
      isBorn: (tid) => tid === pid,
    })
  })
}

const reg = ({ files }: FileImages, name: string) =>
  [...files.values()].filter((file) => file.reg?.name.endsWith(name)).map((file) => file.reg!)

describe.if(canRun)(`Open files of a live process${why}`, () => {
  for (const kind of ["files", "pipes", "events"]) {
    test(`collectDescriptors and restoreDescriptors carry ${kind} into another process`, async () => {
      using source = await startHolder(kind)
      using target = await startHolder("empty")
      expect(lookAtDescriptors([holding(source.pid)], PLAIN).refusals).toEqual([])
      const images = imagesOf(source.pid)
      const before = comparable(images, source.pid)
      checkFiles([images], new Set([target.pid]), { ...PLAIN, terminal: false })
      transplant(images, source.pid, target)
      expect(comparable(imagesOf(target.pid), target.pid)).toBe(before)
      // Nothing was taken out of the source.
      expect(comparable(imagesOf(source.pid), source.pid)).toBe(before)
    })
  }

  test("collectDescriptors tells duplicates from open files that only look alike", async () => {
    using holder = await startHolder("files")
    const images = imagesOf(holder.pid)
    const numbers = (id: number) => images.fdinfos.filter((info) => info.id === id).map(({ fd }) => fd)
    const data = reg(images, "/data")
    expect(data.map(({ id }) => numbers(id).length)).toEqual([2, 2, 1, 1])
    expect(numbers(data[0]!.id)[1]).toBe(40)
    expect(data[0]).toMatchObject({ pos: 4n, size: 10n, mode: 0o100640 })
    expect(images.fdinfos.find(({ fd }) => fd === 30)).toMatchObject({ id: data[1]!.id, flags: 0, type: fd_types.REG })
    const [log] = reg(images, "/log")
    expect(log?.fown).toEqual({ uid: 0, euid: 1000, signum: 39, pid_type: 1, pid: holder.pid })
    expect(log?.size).toBeUndefined()
  })

  test("lookAtDescriptors refuses what cannot be kept, with a remedy each", async () => {
    using holder = await startHolder("refused")
    const refusals = lookAtDescriptors([holding(holder.pid)], PLAIN).refusals
    const told = refusals.map(({ what }) => what).join("\n")
    for (const word of [
      "a packet socket whose fanout",
      "a watch on inode",
      "with a lock (FLOCK WRITE)",
      "an epoll that watches a file added as fd",
      "a file that signals task",
    ])
      expect(told).toContain(word)
    expect(refusals.every(({ where, remedy }) => where.startsWith(`task ${holder.pid} fd `) && remedy !== "")).toBe(true)
    expect(() => imagesOf(holder.pid)).toThrow("objects are not supported")
  })

  test("lookAtDescriptors names the task that holds the other end of a pipe", async () => {
    using holder = await startHolder("shared-pipe")
    // A child that is not among those given was born meanwhile: it will be met in the freeze.
    expect(lookAtDescriptors([holding(holder.pid)], PLAIN).refusals).toEqual([])
    const [refusal, ...more] = lookAtDescriptors([holding(holder.child)], PLAIN).refusals
    expect(more).toEqual([])
    expect(refusal?.what).toMatch(new RegExp(`^pipe:\\[\\d+\\], with both ends in the tree, which task ${holder.pid} has open too$`))
  })

  test("a terminal is refused without --shell-job and described with it", async () => {
    using holder = await startHolder("terminal")
    const [refusal] = lookAtDescriptors([holding(holder.child)], PLAIN).refusals
    expect(refusal).toMatchObject({
      what: expect.stringContaining('the terminal "/dev/pts/'),
      remedy: expect.stringContaining("--shell-job"),
    })
    expect(lookAtDescriptors([holding(holder.child)], { ...PLAIN, shellJob: true }).refusals).toEqual([])
    const images = imagesOf(holder.child, { ...PLAIN, shellJob: true })
    const [pty, current] = images.ttyInfos
    expect(pty).toMatchObject({ type: TtyType.PTY, sid: holder.child, pgrp: holder.child, winsize: { ws_row: 25, ws_col: 81 } })
    expect(pty?.id).toBe((pty?.pty?.index ?? -1) * 2)
    expect(pty?.termios?.c_cc.length).toBe(19)
    expect(current).toMatchObject({ type: TtyType.CTTY, id: 2012 })
    expect(() => checkFiles([images], new Set([1]), { ...PLAIN, terminal: true })).toThrow("the program runs on a terminal")
    expect(() => checkFiles([images], new Set([1]), { ...PLAIN, shellJob: true, terminal: false })).toThrow(
      "standard input of stasis is no terminal",
    )
    checkFiles([images], new Set([1]), { ...PLAIN, shellJob: true, terminal: true })
  })

  test("findTerminalHolders names a task outside the dump that uses a pair, and none inside", async () => {
    using holder = await startHolder("terminal")
    using scope = new DisposableStack()
    const insider = { pid: holder.pid, threads: [holder.pid], group: 0 }
    const all = scanAll([insider], scope, false).get(holder.pid)?.found ?? []
    const [index = -1] = all.flatMap((found) => masterIndex(found) ?? [])
    expect(index).toBeGreaterThanOrEqual(0)
    // The child belongs to the tree: it is a descendant.
    expect(findTerminalHolders(new Outside(new Set([holder.pid])), all).get(index)).toBeUndefined()
    const outside = findTerminalHolders(new Outside(new Set()), all)
    expect([holder.pid, holder.child]).toContain(outside.get(index) ?? 0)
    expect(whoHasTerminal(index)).toBe(holder.pid)
  })

  test("checkFiles names the path that changed", async () => {
    using holder = await startHolder("files")
    const images = imagesOf(holder.pid)
    const path = join(holder.folder, "data")
    const content = readFileSync(path)
    const check = () => checkFiles([images], new Set([holder.pid]), { ...PLAIN, terminal: false })
    writeFileSync(path, "longer than before")
    expect(check).toThrow(`Cannot restore the open file "${path}": it has 18 bytes now and had 10`)
    writeFileSync(path, content)
    check()
    unlinkSync(path)
    expect(check).toThrow("it does not exist")
    symlinkSync("log", path)
    expect(check).toThrow("it is a symbolic link now and was a regular file")
  })
})
