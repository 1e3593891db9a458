import { expect, test } from "bun:test"
import { requireMachine } from "../../src/cli/machine.ts"
import { canonical } from "../../src/cli/spelling.ts"

const tried = (words: string, known: boolean) => () => requireMachine(canonical(words.split(" ")), known)

test.each(["dump 1", "restore images", "plan 1", "plan images", "rseq 1", "check"])(
  "requireMachine refuses stasis %s without machine code",
  (words) => {
    expect(tried(words, false)).toThrow(`Cannot run stasis ${words.split(" ")[0]} on ${process.arch}: this version has no machine code`)
    expect(tried(words, true)).not.toThrow()
  },
)

test.each(["show images", "rseq -D images", "rseq --images-dir=images"])(
  "requireMachine lets stasis %s through without machine code",
  (words) => {
    expect(tried(words, false)).not.toThrow()
  },
)
