import { describe, expect, test } from "bun:test"
import { canonical } from "../../src/cli/spelling.ts"
import { failureOf } from "../harness/failure.ts"

/** "name=value" of every option, in order, then the bare words. */
const seen = (line: string): string[] => {
  const { options, words } = canonical(line.split(" "))
  return [...options.filter(({ name }) => name !== "verbosity").map(({ name, value }) => `${name}=${value}`), ...words]
}
const verbosity = (line: string): unknown => canonical(line.split(" ")).options.at(-1)?.value

describe("canonical", () => {
  test.each([
    ["dump -t 5", ["tree=5"]],
    ["dump -t5", ["tree=5"]],
    ["dump --tree 5", ["tree=5"]],
    ["dump --tree=5", ["tree=5"]],
    ["dump 5 out", ["5", "out"]],
    ["dump 5 -R out", ["leave-running=true", "5", "out"]],
    ["dump -Rj 5", ["leave-running=true", "shell-job=true", "5"]],
    ["dump -Rjt5", ["leave-running=true", "shell-job=true", "tree=5"]],
    ["dump -jDout 5", ["shell-job=true", "images-dir=out", "5"]],
    ["dump -D 007 5", ["images-dir=007", "5"]],
    ["dump -D 1e3 5", ["images-dir=1e3", "5"]],
    ["dump -D=x 5", ["images-dir==x", "5"]],
    ["dump --images-dir=a=b 5", ["images-dir=a=b", "5"]],
    ["dump --images-dir=-x 5", ["images-dir=-x", "5"]],
    ["dump -D - 5", ["images-dir=-", "5"]],
    ["dump --no-sync 5", ["sync=false", "5"]],
    ["dump --no-leave-running -R 5", ["leave-running=false", "leave-running=true", "5"]],
    ["dump --action-script a --action-script=b 5", ["action-script=a", "action-script=b", "5"]],
    ["dump --no-default-config 5", ["default-config=false", "5"]],
    ["dump 5 -- -dir", ["5", "-dir"]],
    ["-R dump 5", ["leave-running=true", "5"]],
    ["-D dump dump 5", ["images-dir=dump", "5"]],
    ["-v4 -t 5 dump", ["tree=5"]],
    ["restore -dS", ["restore-detached=true", "restore-sibling=true"]],
    ["restore -o log -W work -D out", ["log-file=log", "work-dir=work", "images-dir=out"]],
    ["dump --no-stream 5", ["5"]],
    ["dump 5 --cpu-cap images", ["cpu-cap=all", "5", "images"]],
    ["dump --manage-cgroups 5 soft", ["manage-cgroups=soft", "5", "soft"]],
    ["dump 5 -v4 3", ["5", "3"]],
    ["rseq -v 4", ["4"]],
  ])("reads %p", (line, expected) => {
    expect(seen(line)).toEqual(expected)
  })

  test.each([
    ["dump 5", "2"],
    ["dump -v 5", "3"],
    ["dump -vv 5", "4"],
    ["dump -vvvv 5", "6"],
    ["dump -v -v 5", "4"],
    ["dump -v0 5", "0"],
    ["dump -v4 5", "4"],
    ["dump -v4R 5", "4"],
    ["dump -Rv3 5", "3"],
    ["dump --verbosity 5x", "3"],
    ["dump --verbosity=1 5", "1"],
    ["dump --verbosity 1 5", "1"],
    ["dump -v1 -v3 5", "3"],
  ])("counts the verbosity of %p", (line, expected) => {
    expect(verbosity(line)).toBe(expected)
  })

  test("one list of options does for dump and restore where CRIU takes it for both", () => {
    const shared = ["--link-remap", "--ghost-limit", "2M", "--skip-in-flight", "--skip-file-rwx-check"]
    for (const command of ["dump", "restore"] as const)
      expect(canonical([command, ...shared]).options.slice(0, -1)).toEqual([
        { name: "link-remap", value: true },
        { name: "ghost-limit", value: "2M" },
        { name: "skip-in-flight", value: true },
        { name: "skip-file-rwx-check", value: true },
      ])
  })

  test.each([
    ["", "No command is given"],
    ["-R", "No command is given"],
    ["dump -t", "-t needs a value: PID"],
    ["dump --tree=", "--tree needs a value"],
    ["dump 5 ", "A word is empty"],
    ["dump -R -- ", "A word is empty"],
    ["dump -D -t 5", '-D is followed by "-t"'],
    ["dump --leave-running=yes 5", "--leave-running takes no value"],
    ["dump --no-tree 5", "--tree takes a value"],
    ["dump --default-config 5", "--default-config is not an option"],
    ["dump --verbosity=much 5", '"much" is not a verbosity'],
    ["dump -vM 5", '"-M" (--ext-mount-map)'],
    ["restore -R", '"-R" belongs to stasis dump'],
    ["dump --strict 5", '"--strict" belongs to stasis restore'],
    ["dump --frobnicate 5", '"--frobnicate" is not an option'],
    ["dump --toString 5", '"--toString" is not an option'],
    ["constructor", '"constructor" is not a command'],
  ])("refuses %p", (line, expected) => {
    expect(() => canonical(line === "" ? [] : line.split(" "))).toThrow(expected)
  })

  test.each([
    ["dump 5 -v 4", '-v is followed by "4"', "Write -v4 if that is its value, or -D 4 for a directory"],
    ["restore -dv 2", '-v is followed by "2"', "Write -v2 if that is its value, or -D 2 for a directory"],
    [
      "dump -t 5 --cpu-cap ins,fpu",
      '--cpu-cap is followed by "ins,fpu"',
      "Write --cpu-cap=ins,fpu if that is its value, or -D ins,fpu for a directory",
    ],
    [
      "restore --manage-cgroups full",
      '--manage-cgroups is followed by "full"',
      "Write --manage-cgroups=full if that is its value, or -D full for a directory",
    ],
  ])("%p has a value that would be taken for a directory", (line, found, next) => {
    expect(failureOf(() => canonical(line.split(" ")))).toMatchObject({ code: "E_USAGE", found, next })
  })
})
