import { aioRing, iocb, ioEvent } from "../../ffi/abi/aio.ts"
import { epollEvent, epollParams, kcmpEpollSlot } from "../../ffi/abi/epoll.ts"
import { shmidDs } from "../../ffi/abi/ipc.ts"
import type { Group } from "./socket-layouts.ts"

/** Layouts of ipc.ts, aio.ts and epoll.ts of ffi/abi. */
export const ipc: readonly Group[] = [
  {
    headers: ["linux/eventpoll.h", "linux/kcmp.h", "golden/kernel.h"],
    rows: [
      [epollEvent, "struct epoll_event"],
      [epollParams, "struct epoll_params"],
      [kcmpEpollSlot, "struct kcmp_epoll_slot"],
    ],
  },
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
