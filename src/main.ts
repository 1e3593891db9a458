import { run } from "./cli/run.ts"

// The only place that ends the process: what a command has still open belongs to nobody then.
run(process.argv.slice(2)).then((status) => process.exit(status))
