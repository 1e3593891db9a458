import { join } from "node:path"
import { compile, compiler, SOURCES } from "../harness/compile.ts"
import { step } from "../harness/debian.ts"
import { CACHE, ROOT } from "../harness/folders.ts"

const MUSL = "usr/lib/x86_64-linux-musl"
const GNU = "usr/lib/x86_64-linux-gnu"
const LOADER = "/lib/ld-musl-x86_64.so.1"

/** Compiles test/victims/NAME.c with musl's headers and library, dynamically linked. @param root of Debian's packages */
export function compileMusl(root: string, name: string): string {
  const ask = (word: string): string => step([compiler() ?? "cc", word], ROOT).trim()
  const library = join(root, MUSL)
  const flags = [
    ...["-O1", "-g", "-pthread", "-fno-stack-protector", "-pie", "-nostdinc"],
    ...["-isystem", join(root, "usr/include/x86_64-linux-musl"), "-isystem", ask("-print-file-name=include")],
    ...["-nostdlib", `-Wl,--dynamic-linker=${LOADER}`, join(library, "Scrt1.o"), join(library, "crti.o")],
    ...[`-L${library}`, "-lc", ask("-print-libgcc-file-name"), join(library, "crtn.o")],
  ]
  return compile(join(SOURCES, `${name}.c`), join(CACHE, "victims", `${name}-musl`), flags)
}

/** What a compiled Bun program for musl needs, by its path: musl, Debian's libstdc++ and libgcc, and what stands between them. */
export function muslLibraries(root: string): [string, string][] {
  const front = compile(join(import.meta.dir, "musl-front.c"), join(CACHE, "musl-front.so"), [
    ...["-shared", "-fPIC", "-nostdlib", "-O1", "-Wall", "-Wextra", "-Wl,-soname,ld-linux-x86-64.so.2"],
  ])
  const libc = join(root, MUSL, "libc.so")
  return [
    [LOADER, libc],
    ["lib/libc.musl-x86_64.so.1", libc],
    ["lib/ld-linux-x86-64.so.2", front],
    ...["libstdc++.so.6", "libgcc_s.so.1"].map((name): [string, string] => [`lib/${name}`, join(root, GNU, name)]),
  ]
}
