import { bytesReader, expectAlive } from "./source.ts"
import { decodeBytes } from "./text.ts"

/** NUL-ended strings -> a list; a last one without its NUL counts. */
export function splitNul(bytes: Buffer): string[] {
  const parts = decodeBytes(bytes).split("\0")
  if (parts.at(-1) === "") parts.pop()
  return parts
}

/** Arguments as they stand in memory now (the program may have overwritten them); empty for zombies and kernel threads; null = gone. */
export const readArgumentsIfAlive = bytesReader("cmdline", splitNul)
/** As `readArgumentsIfAlive`. @throws CheckpointError E_NO_PROCESS */
export const readArguments = expectAlive("cmdline", readArgumentsIfAlive)

/** Environment as it stands in memory between env_start and env_end, which is not what setenv(3) made of it; null = gone. */
export const readEnvironmentIfAlive = bytesReader("environ", splitNul)
/** As `readEnvironmentIfAlive`. @throws CheckpointError E_NO_PROCESS · E_PERMISSION */
export const readEnvironment = expectAlive("environ", readEnvironmentIfAlive)
