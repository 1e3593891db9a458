import { expect, test } from "bun:test"
import type { Found, Surveying } from "../../../src/kinds/files/collecting.ts"
import { refuseEpoll } from "../../../src/kinds/files/epoll/collect.ts"
import { parseFdInfo } from "../../../src/proc/fdinfo.ts"

const info = parseFdInfo(
  "pos:\t0\nflags:\t02\nmnt_id:\t15\nino:\t1\ntfd:        5 events:       19 data:                5 pos:0 ino:61af sdev:7\n",
)
const surveying = { descriptors: new Map([[5, {} as Found]]) } as unknown as Surveying
const epollOf = (pid: number) => ({ pid, fd: 3, info }) as unknown as Found

test("refuseEpoll: a process that has ended while it was looked at refuses nothing", async () => {
  const child = Bun.spawn(["true"])
  await child.exited
  expect(refuseEpoll(epollOf(child.pid), surveying)).toBeUndefined()
})

test("refuseEpoll: a watched number that is closed is told", () => {
  expect(refuseEpoll(epollOf(process.pid), { descriptors: new Map() })?.what).toContain("fd 5, which is closed")
})
