import { CheckpointError } from "../../base/errors.ts"
import type { PropertyRule } from "./properties.ts"

/** The text of a quoted word, "controller": or "strategy": as the case may be. */
const CONTROLLER = /^"([^"]*)":$/
const STRATEGY = /^\s*-\s+"strategy":\s+"(merge|replace)"$/
const PROPERTIES = /^\s*-\s+"properties":\s+\[(.*)\]$/

/**
 * The value of --cgroup-props, or the content of --cgroup-props-file: a simplified YAML of controllers with a strategy and a list.
 *
 * @throws CheckpointError E_USAGE with the line that cannot be understood
 * Authority: criu(8), --cgroup-props: double quotes, blanks and new lines are required.
 */
export function parseProperties(text: string): PropertyRule[] {
  const rules: PropertyRule[] = []
  let open: { controller: string; strategy?: PropertyRule["strategy"] } | undefined
  const bad = (found: string): CheckpointError =>
    new CheckpointError(
      "E_USAGE",
      "Cannot understand the cgroup properties",
      found,
      'Write three lines a controller: "cpu": / - "strategy": "merge" / - "properties": ["cpu.shares"]',
    )
  for (const line of text.split("\n").map((part) => part.trimEnd())) {
    if (line.trim() === "") continue
    const controller = CONTROLLER.exec(line.trim())?.[1]
    const strategy = STRATEGY.exec(line)?.[1] as PropertyRule["strategy"] | undefined
    const list = PROPERTIES.exec(line)?.[1]
    if (controller !== undefined && !open) open = { controller }
    else if (strategy && open && !open.strategy) open.strategy = strategy
    else if (list !== undefined && open?.strategy) {
      rules.push({ controller: open.controller, strategy: open.strategy, properties: quoted(list, () => bad(`"${line}" is not a list`)) })
      open = undefined
    } else throw bad(`"${line}" is not expected there`)
  }
  if (open) throw bad(`"${open.controller}" has no ${open.strategy ? "properties" : "strategy"}`)
  return rules
}

/** Words of a list in double quotes, divided by commas. A name with a slash would leave its directory. */
function quoted(list: string, refuse: () => CheckpointError): string[] {
  if (list.trim() === "") return []
  return list.split(",").map((word) => {
    const name = /^\s*"([^"/]+)"\s*$/.exec(word)?.[1]
    if (name === undefined || name === "." || name === "..") throw refuse()
    return name
  })
}
