import { expect, test } from "bun:test"
import { rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as constants from "../../src/elf/constants.ts"
import { compile, hasCompiler } from "./compile.ts"

/** Names of ours that libc's header spells otherwise. */
const SIZES: Readonly<Record<string, string>> = {
  EHDR_SIZE: "sizeof(Elf64_Ehdr)",
  PHDR_SIZE: "sizeof(Elf64_Phdr)",
  SHDR_SIZE: "sizeof(Elf64_Shdr)",
  SYM_SIZE: "sizeof(Elf64_Sym)",
  DYN_SIZE: "sizeof(Elf64_Dyn)",
}

test.skipIf(!hasCompiler)("constants are those of elf.h", () => {
  const source = join(tmpdir(), `stasis-elf-${process.pid}.c`)
  const names = Object.keys(constants)
  const prints = names.map((name) => `printf("%s %llu\\n", "${name}", (unsigned long long)(${SIZES[name] ?? name}));`)
  writeFileSync(source, `#include <elf.h>\n#include <stdio.h>\nint main(void) { ${prints.join("\n")} return 0; }\n`)
  using program = compile(source)
  rmSync(source)
  const answer = Bun.spawnSync([program.path]).stdout.toString().trim().split("\n")
  expect(answer).toEqual(Object.entries(constants).map(([name, value]) => `${name} ${value}`))
})
