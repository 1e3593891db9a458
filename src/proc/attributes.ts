import { expectAlive, type Reader, textReader } from "./source.ts"

const decimal = (text: string): number => Number.parseInt(text, 10)
const hexadecimal = (text: string): number => Number.parseInt(text, 16)

/** MMF_DUMP_* bits, see core(5). Process only. Null = gone, or without CONFIG_ELF_CORE; empty file (no memory) = 0. */
export const readCoredumpFilterIfAlive: Reader<number | null> = textReader("coredump_filter", (text) => hexadecimal(text || "0"))

/** OOM score adjustment, -1000 to 1000; null = gone. */
const readOomScoreAdjIfAlive = textReader("oom_score_adj", decimal)
/** As `readOomScoreAdjIfAlive`. @throws CheckpointError E_NO_PROCESS */
export const readOomScoreAdj = expectAlive("oom_score_adj", readOomScoreAdjIfAlive)

/** Login user ID of the audit system, 4294967295 = never set; null = gone, or without CONFIG_AUDIT. */
export const readLoginUidIfAlive = textReader("loginuid", decimal)

/** Nice value of a process's autogroup, -20 to 19; null = gone, or without CONFIG_SCHED_AUTOGROUP. See sched(7). */
export const readAutogroupNiceIfAlive = textReader("autogroup", (text) => decimal(text.slice(text.indexOf(" nice ") + 6)))
