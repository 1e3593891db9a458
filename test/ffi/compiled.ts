import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { compiler } from "../harness/compile.ts"
import { ROOT, scratch } from "../harness/folders.ts"

/** Whether there is a C compiler to ask. */
export const canCompile = compiler() !== undefined

/** C headers by their names in angle brackets; those that begin with "golden/" are ours. */
export type Headers = readonly string[]

const include = (header: string): string =>
  header.startsWith("golden/") ? `#include "${join(ROOT, "test", header)}"` : `#include <${header}>`

/**
 * What a C compiler says that integer expressions are, as signed 64-bit numbers.
 *
 * @throws Error with the compiler's words
 */
export function evaluate(headers: Headers, expressions: readonly string[]): bigint[] {
  const folder = scratch("ffi-abi")
  const [source, program] = [join(folder, "abi.c"), join(folder, "abi")]
  const lines = expressions.map((expression) => `  printf("%lld\\n", (long long)(${expression}));`)
  const head = ["#define _GNU_SOURCE", "#include <stddef.h>", "#include <stdio.h>", ...headers.map(include)]
  writeFileSync(source, [...head, "int main(void) {", ...lines, "}"].join("\n"))
  const { exitCode, stderr } = Bun.spawnSync([compiler() ?? "cc", "-w", "-o", program, source])
  if (exitCode !== 0) throw new Error(`${headers.join(", ")}: ${stderr}`)
  return Bun.spawnSync([program]).stdout.toString().trim().split("\n").map(BigInt)
}

/** The macros that headers define, as text, by name. `options` are the preprocessor's. */
export function macros(headers: Headers, ...options: string[]): ReadonlyMap<string, string> {
  const input = new TextEncoder().encode(headers.map(include).join("\n"))
  const { exitCode, stdout, stderr } = Bun.spawnSync([compiler() ?? "cc", "-E", "-dM", ...options, "-x", "c", "-"], { stdin: input })
  if (exitCode !== 0) throw new Error(`${headers.join(", ")}: ${stderr}`)
  return new Map([...stdout.toString().matchAll(/^#define (\w+) (.+)$/gm)].map(([, name = "", value = ""]) => [name, value]))
}

/** The number behind a macro that is one, or the name of another macro; undefined where it is neither. */
export function numberOf(table: ReadonlyMap<string, string>, name: string): number | undefined {
  const value = table.get(name)
  if (value === undefined) return undefined
  const text = value.replace(/^\((.*)\)$/, "$1").trim()
  return /^\d+$/.test(text) ? Number(text) : text === name ? undefined : numberOf(table, text)
}
