import type { FrozenProcess } from "../../src/tracee/frozen.ts"
import type { LoanTerms } from "../../src/tracee/host.ts"
import { borrowAll, type Loan } from "../../src/tracee/loan.ts"
import type { Patience } from "../../src/tracee/wait.ts"

/** Borrows of one process alone. */
export function borrow(process: FrozenProcess, terms: LoanTerms, bytes: number, patience: Patience): Loan & Disposable {
  const loans = borrowAll([{ process, terms, bytes }], patience)
  const [loan] = loans.all
  if (!loan) throw new Error("Unreachable: a loan that was not made and did not fail")
  return { ...loan, [Symbol.dispose]: () => loans[Symbol.dispose]() }
}
