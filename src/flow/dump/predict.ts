import { PAGE_SIZE } from "../../base/units.ts"

/** What of a tree a dump's size and time follow from. */
export interface Extent {
  /** Living ones, with all their threads. */
  readonly processes: number
  readonly threads: number
  readonly zombies: number
  /** Memory areas of all processes. */
  readonly areas: number
  /** Runs of pages in pagemap images, shared segments included. */
  readonly runs: number
  /** Pages that are stored. */
  readonly pages: number
  /** Descriptors of all processes, and the files behind descriptors and areas. */
  readonly descriptors: number
  readonly files: number
}

/** An estimate: nothing promises it. */
export interface Prediction {
  /** All image files together. */
  readonly imageBytes: number
  /** From the first thread stopped to the last one released. */
  readonly frozenMicroseconds: number
}

type Cost = { readonly base: number } & Readonly<Record<keyof Extent, number>>

/**
 * Bytes of image files that one of each takes: means of dumps of one to 101 processes, 1 to 256 threads, by test/bench/calibrate.ts.
 * What varies with content is left out: data in pipes, queued signals, timers, long paths.
 */
const BYTES: Cost = {
  base: 160,
  processes: 1300,
  threads: 1360,
  zombies: 90,
  areas: 36,
  runs: 16,
  pages: PAGE_SIZE,
  descriptors: 10,
  files: 72,
}

/**
 * Time in the freeze, µs: least times of the same script, ahead of all other work, on a machine of two cores with images on its disk. The
 * first of each costs more than the hundredth, and other machines differ by a factor.
 */
const MICROSECONDS: Cost = {
  base: 9300,
  processes: 2400,
  threads: 500,
  zombies: 60,
  areas: 10,
  runs: 4,
  pages: 1.4,
  descriptors: 25,
  files: 0,
}

/** The simplest model that there is: a sum over everything that is counted. */
const sum = (cost: Cost, extent: Extent): number =>
  Math.round((Object.keys(extent) as (keyof Extent)[]).reduce((total, key) => total + cost[key] * extent[key], cost.base))

/** Predicts a dump from what can be counted without stopping anything. */
export const predict = (extent: Extent): Prediction => ({
  imageBytes: sum(BYTES, extent),
  frozenMicroseconds: sum(MICROSECONDS, extent),
})
