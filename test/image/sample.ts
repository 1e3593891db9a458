import type { inventory_entry } from "../../proto/gen/inventory_pb.ts"
import { inventory_entrySchema } from "../../proto/gen/inventory_pb.ts"
import { create } from "../../proto/schema.ts"
import { NAMESPACE_IDS } from "../../src/kinds/namespaces.ts"

/** What CRIU 4.2 writes for a process without namespaces of its own. */
export const inventory: inventory_entry = create(inventory_entrySchema, {
  img_version: 2,
  fdinfo_per_id: true,
  root_ids: {
    vm_id: 1,
    files_id: 1,
    fs_id: 1,
    sighand_id: 1,
    ...NAMESPACE_IDS,
  },
  ns_per_id: true,
  root_cg_set: 1,
})
