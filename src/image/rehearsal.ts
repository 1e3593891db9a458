import { fileName } from "./name.ts"
import { checkImage } from "./read.ts"
import type { ImageTransaction } from "./transaction.ts"
import { encodeImage } from "./write.ts"

/** Makes images, reads them again as the commit of a set does, and forgets them: nothing is written anywhere. */
export const forgottenImages: Pick<ImageTransaction, "write"> = {
  write(kind, id, entries) {
    if (entries.length > 0) checkImage(kind, fileName(kind, id), encodeImage(kind, entries), 2)
  },
}
