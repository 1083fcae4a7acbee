import type { Curve } from './row.ts'

/** Where cost grows by more than this power of the size, over its share of it, it is no longer linear: what measurements scatter is below. */
const KNEE_MARGIN = 0.15
/** The exponent of a cost that is linear: of what all of it costs together, and of what each of it costs. */
const LINEAR = { total: 1, each: 0 } as const

/** From one point of a curve to the next: cost grew as size to this power. */
export interface Slope {
  readonly from: number
  readonly to: number
  readonly exponent: number
  /** Worse than linear. */
  readonly isKnee: boolean
}

/** Slopes of a curve of costs on logarithmic axes; none where the curve is of no cost. */
export function slopesOf({ cost, points }: Pick<Curve, 'cost' | 'points'>): Slope[] {
  if (cost === undefined) return []
  const usable = points.filter(([x, y]) => x > 0 && y > 0).toSorted(([a], [b]) => a - b)
  return usable.slice(1).map(([to, after], at) => {
    const [from, before] = usable[at] ?? [to, after]
    const exponent = Math.log(after / before) / Math.log(to / from)
    return { from, to, exponent, isKnee: exponent > LINEAR[cost] + KNEE_MARGIN }
  })
}

/** What a curve's slopes say, in words: one line. */
export function scalingText(curve: Curve): string {
  const slopes = slopesOf(curve)
  if (slopes.length === 0) return ''
  const count = (value: number) => value.toLocaleString('en')
  const knees = slopes.filter(({ isKnee }) => isKnee)
  const exponents = slopes.map(({ exponent }) => exponent.toFixed(2)).join(', ')
  const linear = curve.cost === 'total' ? 'linear is 1' : 'linear is 0'
  const head = `${curve.name}, ${curve.unit}: exponents ${exponents} (${linear})`
  if (knees.length === 0) return `${head}: linear or better`
  return `${head}: a KNEE ${knees.map(({ from, to }) => `from ${count(from)} to ${count(to)}`).join(', ')}: it costs more than in proportion`
}
