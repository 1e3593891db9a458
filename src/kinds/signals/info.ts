import { SIG, siginfo } from "../../../ffi/abi/signal.ts"
import { decode } from "../../../ffi/layout.ts"

/** True for a queued signal of this number. @param info a siginfo_t, of images perhaps */
export const isSignal = (info: Uint8Array, signal: number): boolean =>
  info.length >= siginfo.size && decode(siginfo, info).si_signo === signal

/** True for a queued SIGSTOP. */
export const isStop = (info: Uint8Array): boolean => isSignal(info, SIG.STOP)
