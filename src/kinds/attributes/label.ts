import { CheckpointError } from "../../base/errors.ts"
import { procPath, readBytesIfAlive } from "../../proc/source.ts"
import { decodeBytes } from "../../proc/text.ts"

/**
 * Whether a security module labels this host's tasks: looked for once, as each failed read of a thousand costs as much as several good
 * ones.
 */
let labelled: boolean | undefined

/**
 * Label that a security module (AppArmor, SELinux, Smack) gave a thread; undefined = there is no such module, the thread is gone, or it is
 * unconfined.
 *
 * @throws CheckpointError E_PERMISSION · E_IO. Kernel: fs/proc/base.c proc_pid_attr_read()
 */
export function readLabel(pid: number, tid: number): string | undefined {
  labelled ??= readBytes(process.pid, process.pid) !== undefined
  const bytes = labelled ? readBytes(pid, tid) : undefined
  return bytes && parseLabel(decodeBytes(bytes))
}

function readBytes(pid: number, tid: number): Buffer | undefined {
  try {
    return readBytesIfAlive(procPath(pid, tid, "attr/current")) ?? undefined
  } catch (error) {
    if (error instanceof CheckpointError && hasNoLabel(error.cause)) return undefined
    throw error
  }
}

/** "unconfined" and SELinux's unconfined domain are no label; a trailing newline or NUL does not belong to it. */
export function parseLabel(text: string): string | undefined {
  const label = text.replace(/[\n\0]+$/, "")
  return label === "" || /^unconfined(?: \(.*\))?$|^[^:]*:[^:]*:unconfined_t(?::|$)/.test(label) ? undefined : label
}

/** The kernel has the file, but no module that fills it. */
const hasNoLabel = (cause: unknown): boolean =>
  cause instanceof Error && "code" in cause && (cause.code === "EINVAL" || cause.code === "EOPNOTSUPP")
