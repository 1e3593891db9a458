import { mkdirSync, statSync } from "node:fs"
import { join } from "node:path"
import { administer, type Mounts, makeImage } from "./mounts.ts"

/** A file system that victims are tried on. */
export interface Trial {
  readonly title: string
  /** Its name in the folder of mounts. */
  readonly name: string
  /** What counts is much as in one before. */
  readonly isAlike?: boolean
  /** Makes it. @returns words of mount(8) @throws Error why this machine cannot have it */
  make(mounts: Mounts): readonly string[]
  /** What is done once in it. @returns the folder for the victims' files */
  begin(path: string): string
}

const BTRFS = "bin/btrfs"

/** Makes overlayfs of a lower layer and a new upper one. @returns words of mount(8) */
export function overlayOf(lower: string, upper: string): string[] {
  for (const folder of ["files", "work"]) mkdirSync(join(upper, folder))
  return ["-t", "overlay", "-o", `lowerdir=${lower},upperdir=${upper}/files,workdir=${upper}/work`, "overlay"]
}

/** stat(2) tells numbers of its own of files on overlayfs and btrfs: two layers, one layer, a subvolume. */
export const trials: readonly Trial[] = [
  {
    title: "overlayfs",
    name: "overlay",
    make: (mounts) => overlayOf(mounts.mount("lower", "-t", "tmpfs", "tmpfs"), mounts.mount("upper", "-t", "tmpfs", "tmpfs")),
    begin: (path) => path,
  },
  {
    title: "overlayfs of two folders",
    name: "overlay-folders",
    isAlike: true,
    make(mounts) {
      const both = mounts.mount("both", "-t", "tmpfs", "tmpfs")
      mkdirSync(join(both, "lower"))
      return overlayOf(join(both, "lower"), both)
    },
    begin: (path) => path,
  },
  {
    title: "a subvolume of btrfs",
    name: "btrfs",
    make: (mounts) => ["-o", "loop", makeImage(mounts.folder, "btrfs")],
    begin(path) {
      administer(BTRFS, "subvolume", "create", join(path, "volume"))
      return join(path, "volume")
    },
  },
  {
    title: "xfs",
    name: "xfs",
    isAlike: true,
    make: (mounts) => ["-o", "loop", makeImage(mounts.folder, "xfs")],
    begin: (path) => path,
  },
]

/** A snapshot of a subvolume of btrfs: its files have the numbers of the original. */
export const snapshot = (volume: string, path: string): void => administer(BTRFS, "subvolume", "snapshot", volume, path)

/** Mounts that may be needed until one has a certain device number. */
const MOST_OTHERS = 20

/** A mounted trial. */
export interface Mounted {
  readonly trial: Trial
  /** For victims. */
  readonly folder: string
  /** Unmounts it and mounts it again at its path, where something else has got its device number meanwhile. */
  again(): void
}

/** Mounts a trial; the reason where this machine cannot have it. */
export function mountTrial(mounts: Mounts, trial: Trial): Mounted | string {
  try {
    const words = trial.make(mounts)
    const folder = trial.begin(mounts.mount(trial.name, ...words))
    return {
      trial,
      folder,
      again() {
        const { dev } = statSync(folder)
        mounts.unmount(trial.name)
        // The kernel gives the lowest number that is free.
        const others = Array.from({ length: MOST_OTHERS }, (_, number) => `${trial.name}-other-${number}`)
        const used = others.slice(0, others.findIndex((other) => statSync(mounts.mount(other, "-t", "tmpfs", "tmpfs")).dev === dev) + 1)
        mounts.mount(trial.name, ...words)
        if (used.length > 0 && statSync(folder).dev === dev) throw new Error("it has its device number again")
        for (const other of used.length > 0 ? used : others) mounts.unmount(other)
      },
    }
  } catch (error) {
    return error instanceof Error ? error.message : `${error}`
  }
}
