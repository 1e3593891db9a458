import { closeSync, openSync, readSync, writeSync } from "node:fs"
import { O } from "../../ffi/abi/file.ts"
import { eventsOf, POLL } from "../../src/kinds/files/poll.ts"
import { askBytes, askNumber, openPeer, tell, tellNumber } from "../../src/kinds/files/tty/ask.ts"
import { termiosEntry, winsizeBytes } from "../../src/kinds/files/tty/mode.ts"
import { waitFor } from "./deadline.ts"

/** A terminal window of the test's own, as a terminal emulator makes one. Disposal closes it: programs in it get SIGHUP. */
export interface Terminal extends Disposable {
  readonly path: string
  /** PID of the session leader that runs in it. */
  readonly pid: number
  /** All that was printed so far. */
  text(): string
  /** Types. */
  type(keys: string): void
  /** Waits until what was printed since `type` (or the start) matches. */
  says(pattern: RegExp): Promise<string>
  /** Its mode, as images have it. */
  mode(): ReturnType<typeof termiosEntry> | undefined
  /** Process group in the foreground. */
  foreground(): number | undefined
}

const ENVIRONMENT = { TERM: "dumb", PS1: "", HISTFILE: "/dev/null" }

/**
 * Opens a window and runs a command in it.
 *
 * @param control false: the command has the terminal open, but is not controlled by it
 */
export function openTerminal(command: readonly string[], options: { rows?: number; columns?: number; control?: boolean } = {}): Terminal {
  const master = openSync("/dev/ptmx", O.RDWR | O.NOCTTY | O.NONBLOCK)
  tellNumber(master, "TIOCSPTLCK", 0)
  tell(master, "TIOCSWINSZ", winsizeBytes({ ws_row: options.rows ?? 24, ws_col: options.columns ?? 80, ws_xpixel: 0, ws_ypixel: 0 }))
  const slave = openPeer(master)
  const start = ["setsid", ...(options.control === false ? [] : ["--ctty"]), ...command]
  const child = Bun.spawn(start, { stdin: slave, stdout: slave, stderr: slave, env: { ...process.env, ...ENVIRONMENT } })
  child.unref()
  closeSync(slave)
  const buffer = Buffer.alloc(65536)
  let printed = ""
  let since = 0
  const text = (): string => {
    while (eventsOf(master) & POLL.IN) printed += buffer.toString("utf8", 0, readSync(master, buffer))
    return printed
  }
  return {
    path: `/dev/pts/${askNumber(master, "TIOCGPTN")}`,
    pid: child.pid,
    text,
    type: (keys) => {
      since = text().length
      writeSync(master, keys)
    },
    says: (pattern) =>
      waitFor(`${pattern} in ${JSON.stringify(printed.slice(since))}`, () => pattern.exec(text().slice(since))?.[0]).catch((error) => {
        throw new Error(`${error.message}: the terminal says ${JSON.stringify(printed.slice(since))}`)
      }),
    mode: () => {
      const bytes = askBytes(master, "TCGETS")
      return bytes && termiosEntry(bytes)
    },
    foreground: () => askNumber(master, "TIOCGPGRP"),
    [Symbol.dispose]: () => closeSync(master),
  }
}
