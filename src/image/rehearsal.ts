import { fileName } from "./name.ts"
import type { ImageTransaction } from "./transaction.ts"
import { verifyImage } from "./verify.ts"
import { encodeImage } from "./write.ts"

/** Makes images, reads them again as the commit of a set does, and forgets them: nothing is written anywhere. */
export const forgottenImages: Pick<ImageTransaction, "write"> = {
  write(kind, id, entries) {
    if (entries.length > 0) verifyImage(kind, fileName(kind, id), encodeImage(kind, entries))
  },
}
