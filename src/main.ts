import { run } from "./cli/run.ts"

// The only place that ends the process, and at once: a command that has its exit status has let go of every task, and no timer or
// descriptor that it left open may keep the tool alive.
run(process.argv.slice(2)).then((status) => process.exit(status))
