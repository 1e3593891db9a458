import { describe, expect, test } from "bun:test"
import { SIG, siginfo } from "../../../ffi/abi/signal.ts"
import { encode } from "../../../ffi/layout.ts"
import type { SavedTree } from "../../../src/flow/images.ts"
import { freeStubSignal } from "../../../src/flow/restore/stub-signal.ts"

const queue = (...signals: number[]) => ({ signals: signals.map((si_signo) => ({ siginfo: encode(siginfo, { si_signo }) })) })

/** A process of one thread. */
const one = ({ shared, own, timers }: { shared?: number[]; own?: number[]; timers?: number[] }) => ({
  tc: { signals_s: shared && queue(...shared), timers: { posix: (timers ?? []).map((si_signo) => ({ si_signo })) } },
  threads: [{ core: { signals_p: own && queue(...own) } }],
})

const free = (...processes: ReturnType<typeof one>[]): number => freeStubSignal({ processes } as unknown as Pick<SavedTree, "processes">)

describe("freeStubSignal", () => {
  test("prefers one of old, which no limit of queued signals stands against", () => {
    expect(free(one({}))).toBe(SIG.STKFLT)
  })

  test("takes none that is pending anywhere in the tree, for a process or a thread, or that a timer sends", () => {
    expect(free(one({ shared: [SIG.STKFLT] }), one({ own: [SIG.PWR] }), one({ timers: [SIG.URG] }))).toBe(SIG.WINCH)
  })

  test("takes a real-time one only when all others are wanted, and says when there is none", () => {
    const old = [SIG.STKFLT, SIG.PWR, SIG.URG, SIG.WINCH]
    expect(free(one({ shared: old }))).toBe(64)
    const realTime = Array.from({ length: 32 }, (_, i) => 33 + i)
    expect(() => free(one({ shared: old }), one({ timers: realTime }))).toThrow("every signal that could end a call")
  })
})
