import { expect, test } from "bun:test"
import { forgottenImages } from "../../src/image/rehearsal.ts"
import { inventory } from "./sample.ts"

test("a rehearsal makes images and reads them, and says what is wrong with them", () => {
  forgottenImages.write("inventory", undefined, [inventory])
  forgottenImages.write("pstree", undefined, [])
  expect(() => forgottenImages.write("pstree", undefined, [{} as never])).toThrow("pid")
})
