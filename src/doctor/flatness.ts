/** A measurement over time: ms since the start, and a value. */
export type Point = readonly [atMs: number, value: number]

export interface Flatness {
  readonly flat: boolean
  /** What it rose over the part that was judged, by its slope. */
  readonly rise: number
  readonly median: number
  readonly allowed: number
}

/** Slopes between so many points are looked at, at the most: their number rises with the square. */
const POINTS_MAX = 200

/** The median of all slopes between two points (Theil and Sen): a third of the points may be anything without moving it. Per ms. */
export function robustSlope(points: readonly Point[]): number {
  const step = Math.max(1, Math.ceil(points.length / POINTS_MAX))
  const some = points.filter((_, index) => index % step === 0)
  const slopes: number[] = []
  for (const [index, [atMs, value]] of some.entries()) {
    for (const [laterMs, later] of some.slice(index + 1)) if (laterMs > atMs) slopes.push((later - value) / (laterMs - atMs))
  }
  return median(slopes)
}

/**
 * Whether a measurement is flat over the second half of a run: its robust slope over that time comes to no more than a share of its median, or than
 * what is allowed in any case. The first half is for what fills up once.
 */
export function flatness(points: readonly Point[], runMs: number, allowed: { share: number; atLeast: number }): Flatness {
  const half = points.filter(([atMs]) => atMs >= runMs / 2)
  const middle = median(half.map(([, value]) => value))
  const rise = robustSlope(half) * (runMs / 2)
  const bound = Math.max(middle * allowed.share, allowed.atLeast)
  return { flat: rise <= bound, rise, median: middle, allowed: bound }
}

/** Of several measurements, taken at the same moments, the largest at each: one of them may be missing now and then. */
export function largest(all: readonly (readonly Point[])[]): Point[] {
  const found = new Map<number, number>()
  for (const [atMs, value] of all.flat()) found.set(atMs, Math.max(value, found.get(atMs) ?? value))
  return [...found].sort(([a], [b]) => a - b)
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[sorted.length >> 1] ?? 0
}
