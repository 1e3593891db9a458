import { aioRing, iocb, ioEvent } from "../../ffi/abi/aio.ts"
import { shmidDs } from "../../ffi/abi/ipc.ts"
import type { Group } from "./socket-layouts.ts"

/** Layouts of ffi/abi/ipc.ts and ffi/abi/aio.ts. */
export const ipc: readonly Group[] = [
  {
    headers: ["linux/aio_abi.h", "golden/kernel.h"],
    rows: [
      [aioRing, "struct aio_ring"],
      [ioEvent, "struct io_event"],
      [iocb, "struct iocb"],
    ],
  },
  { headers: ["sys/shm.h"], rows: [[shmidDs, "struct shmid_ds", { uid: "shm_perm.uid", gid: "shm_perm.gid", mode: "shm_perm.mode" }]] },
]
