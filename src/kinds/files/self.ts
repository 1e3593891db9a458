/** Who runs the program: IDs that it has again afterwards. */
export interface Self {
  readonly pid: number
  readonly egid: number
  readonly uid: number
  readonly euid: number
}
