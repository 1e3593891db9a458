/** The commands, in the order of the help. `usage`: positional words as cac writes them. */
export const COMMANDS = {
  dump: { usage: "dump [PID] [DIR]", help: "Save a process tree to image files, then kill it or let it go on" },
  restore: { usage: "restore [DIR]", help: "Bring a process tree back from image files" },
  plan: { usage: "plan [PID|DIR]", help: "Show what a dump or a restore would do, need and refuse; stops and creates nothing" },
  rseq: { usage: "rseq [PID]", help: "Show the restartable sequence state of every thread, live or in images" },
  check: { usage: "check", help: "Show what this kernel can do, and what is lost without the rest" },
  show: { usage: "show <PATH>", help: "Show image files in human form" },
} as const

export type CommandName = keyof typeof COMMANDS

/** Whether a word is one of our commands. */
export const isCommand = (word: string): word is CommandName => Object.hasOwn(COMMANDS, word)

/** CRIU's commands that we do not have, and what to use instead. Authority: criu(8). */
export const CRIU_COMMANDS: Readonly<Record<string, string>> = {
  "pre-dump": 'Use "stasis dump --leave-running": it freezes the tree for little longer than a pre-dump',
  "page-server": "Dump into a directory that both machines share, or copy it",
  "lazy-pages": 'Use "stasis restore": it loads all pages before the tree runs',
  service: "Start stasis for each operation; --json makes its answers readable for programs",
  swrk: "Start stasis for each operation; --json makes its answers readable for programs",
  dedup: "Each dump of stasis is complete in itself: delete the older sets",
  cpuinfo: 'A dump writes cpuinfo.img; use "stasis plan -D DIR --cpu-cap" to compare it',
  exec: "CRIU itself has dropped it; use a debugger",
}
