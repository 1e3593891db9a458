import type { Component } from "./abi/xsave.x86_64.ts"
import { cpuid } from "./kernel.ts"
import { allocate } from "./syscall.ts"

const out = allocate(4096)
const known = new Map<number, Component | undefined>()

/** Place and size of an extended component on this CPU, undefined where the CPU lacks it. Authority: Intel SDM, CPUID leaf 0DH. */
export function xstateComponent(feature: number): Component | undefined {
  if (!known.has(feature)) {
    cpuid(0xd, feature, out.address)
    const [size, offset, flags] = [0, 4, 8].map((at) => out.view.getUint32(at, true)) as [number, number, number]
    const supervisor = (flags & 1) !== 0
    known.set(feature, size === 0 || supervisor ? undefined : { offset, size })
  }
  return known.get(feature)
}

/** Bytes of the extended state with every component that the kernel has turned on. Authority: Intel SDM, CPUID leaf 0DH, EBX. */
export function xstateSize(): number {
  cpuid(0xd, 0, out.address)
  return out.view.getUint32(4, true)
}
