import { TTY_IOCTL } from "../../ffi/abi/tty.ts"
import { allocate, attempt } from "../../ffi/syscall.ts"

const answer = allocate(4096)
/** CRIU's scale: from here on a command tells its steps. */
const STEPS = 3

/** What isatty(3) does; node:tty takes longer to load than a small restore. */
export const isTerminal = (fd: number): boolean => attempt("ioctl", fd, TTY_IOCTL.TCGETS, answer.address) === 0

/** Whether somebody wants to read what was done: standard output is a terminal, or steps are told. Scripts have the status and --json. */
export const wantsReport = (verbosity: number): boolean => verbosity >= STEPS || isTerminal(1)
