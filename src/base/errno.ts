/** Name of the error number in an error of node:fs or ffi/fs.ts, or in a SyscallError; undefined for anything else. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  // A code of ours begins with E_, which no error number does.
  if ("code" in error && typeof error.code === "string" && /^E[A-Z0-9]+$/.test(error.code)) return error.code
  return "errno" in error && typeof error.errno === "string" ? error.errno : undefined
}
