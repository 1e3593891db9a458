import { expect, test } from "bun:test"
import { CheckpointError, complaintsOf, damagedImage, EXIT_STATUS, refusedTarget } from "../../src/base/errors.ts"

test("CheckpointError keeps its parts and its cause", () => {
  const cause = new Error("EPERM")
  const error = new CheckpointError("E_TRACED", "Cannot seize task 1", "TracerPid is 2", "Detach task 2", cause)
  expect(error.message).toBe("Cannot seize task 1: TracerPid is 2")
  expect(`${error}`).toBe(error.message)
  expect(error).toMatchObject({ code: "E_TRACED", next: "Detach task 2", status: 4, cause })
})

test("damagedImage is E_IMAGE_CORRUPT, and says what to do", () => {
  const cause = new Error("byte 3")
  const error = damagedImage("Cannot restore task 1", "mm-1.img ends early", cause)
  expect(error).toMatchObject({ code: "E_IMAGE_CORRUPT", action: "Cannot restore task 1", found: "mm-1.img ends early", cause })
  expect(error.next).toStartWith("Dump the program again")
})

test("EXIT_STATUS: each code is of one of the documented classes, none is success", () => {
  for (const [code, status] of Object.entries(EXIT_STATUS)) {
    expect(code).toMatch(/^E_[A-Z_]+$/)
    expect(status).toBeWithin(1, 9)
  }
})

test("refusedTarget names one object in one line, several in a list", () => {
  const ring = { what: "anon_inode:[io_uring]", where: "task 5 fd 3", remedy: "Close the ring" }
  const socket = { what: "socket:[1]", where: "task 5 fd 4", remedy: "Close the socket" }
  expect(refusedTarget(5, [ring])).toMatchObject({
    code: "E_UNSUPPORTED",
    message: "Cannot dump task 5: task 5 fd 3 is anon_inode:[io_uring]",
    next: "Close the ring",
  })
  const { found } = refusedTarget(5, [ring, socket])
  expect(found.split("\n")).toEqual([
    "2 objects are not supported",
    "  task 5 fd 3: anon_inode:[io_uring] (Close the ring)",
    "  task 5 fd 4: socket:[1] (Close the socket)",
  ])
  expect(() => refusedTarget(5, [])).toThrow("Unreachable")
})

test("complaintsOf runs every check and keeps what each refuses with; another failure is thrown", () => {
  const ran: number[] = []
  const refusing = (number: number) => () => {
    ran.push(number)
    throw new CheckpointError("E_KERNEL", `Cannot ${number}`, "no", "Stop")
  }
  const complaints = complaintsOf([refusing(1), () => void ran.push(2), refusing(3)])
  expect(complaints.map(({ action }) => action)).toEqual(["Cannot 1", "Cannot 3"])
  expect(ran).toEqual([1, 2, 3])
  expect(() =>
    complaintsOf([
      () => {
        throw new Error("Unreachable")
      },
    ]),
  ).toThrow("Unreachable")
})
