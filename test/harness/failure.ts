/** The error that a step throws. @throws Error when it throws none */
export function failureOf(step: () => unknown): unknown {
  try {
    step()
  } catch (error) {
    return error
  }
  throw new Error("nothing was thrown")
}
