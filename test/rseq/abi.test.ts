import { expect, test } from "bun:test"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { RSEQ_CS_FLAG, RSEQ_FLAG_UNREGISTER, rseqArea, rseqDescriptor } from "../../ffi/abi/rseq.ts"
import { UFFD_API, UFFD_FEATURE, UFFDIO_API, uffdioApi } from "../../ffi/abi/userfault.ts"
import type { Fields, Layout } from "../../ffi/layout.ts"
import { compiler } from "../harness/compile.ts"
import { scratch } from "../harness/folders.ts"

const layouts: readonly Layout<Fields>[] = [rseqArea, rseqDescriptor, uffdioApi]

/** Fields that the compiler's headers may be too old to know. */
const LATER = ["node_id", "mm_cid"]

test.skipIf(!compiler())("layouts and constants are those of the C compiler", () => {
  const folder = scratch("abi")
  const checks = layouts.flatMap(({ name, size, fields }) => [
    `CHECK(sizeof(${name}) == ${size});`,
    ...Object.entries(fields)
      .filter(([field]) => !LATER.includes(field))
      .map(([field, [offset]]) => `CHECK(offsetof(${name}, ${field}) == ${offset});`),
  ])
  const flags = Object.entries(RSEQ_CS_FLAG).map(([name, value]) => `CHECK(RSEQ_CS_FLAG_${name} == ${value});`)
  const faults = (["EVENT_FORK", "EVENT_REMAP", "EVENT_REMOVE", "EVENT_UNMAP"] as const).map(
    (name) => `CHECK(UFFD_FEATURE_${name} == ${UFFD_FEATURE[name]}ULL);`,
  )
  const rest = [
    `CHECK(RSEQ_FLAG_UNREGISTER == ${RSEQ_FLAG_UNREGISTER});`,
    `CHECK(UFFD_API == ${UFFD_API});`,
    `CHECK((unsigned)UFFDIO_API == ${UFFDIO_API}u);`,
  ]
  const source = join(folder, "abi.c")
  writeFileSync(
    source,
    [
      "#include <stddef.h>\n#include <sys/ioctl.h>\n#include <linux/rseq.h>\n#include <linux/userfaultfd.h>",
      "#define CHECK(condition) _Static_assert(condition, #condition)",
      ...[...checks, ...flags, ...faults, ...rest],
    ].join("\n"),
  )
  const { exitCode, stderr } = Bun.spawnSync([compiler() ?? "cc", "-fsyntax-only", source])
  expect(stderr.toString()).toBe("")
  expect(exitCode).toBe(0)
})
