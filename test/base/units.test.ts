import { expect, test } from "bun:test"
import { hex, PAGE, PAGE_SIZE, pageDown, pageUp, remoteAddress } from "../../src/base/units.ts"

test("pageUp and pageDown meet on whole pages", () => {
  expect([0n, 1n, 4095n, 4096n, 4097n].map(pageUp)).toEqual([0n, 4096n, 4096n, 4096n, 8192n])
  expect([0n, 1n, 4095n, 4096n, 4097n].map(pageDown)).toEqual([0n, 0n, 0n, 4096n, 4096n])
  expect(PAGE).toBe(BigInt(PAGE_SIZE))
})

test("hex and remoteAddress keep 64-bit addresses whole", () => {
  const address = remoteAddress(0xffffffffff600000n)
  expect(hex(address)).toBe("0xffffffffff600000")
  expect(remoteAddress(4096)).toBe(remoteAddress(4096n))
})
