/** Values kept as they are; past that they are counted in buckets. */
const EXACT_VALUES_MAX = 4_096
/** Borders of buckets grow by this factor: a percentile from buckets is off by less than half a percent of its value. */
const BUCKET_GROWTH = 1.01
const LOG_GROWTH = Math.log(BUCKET_GROWTH)
/** What is nearer to zero counts as zero. */
const SMALLEST = 1e-9

export interface QuantilesSnapshot {
  readonly values?: readonly number[]
  /** Pairs of bucket and count, counted from zero outwards. */
  readonly buckets?: readonly (readonly [number, number])[]
}

/**
 * Percentiles of a stream in bounded memory: exact for a few thousand values, from logarithmic buckets past that. Two of them can be added
 * up, and the order of values does not matter.
 */
export class Quantiles {
  #values: number[] | undefined = []
  #isSorted = true
  #buckets = new Map<number, number>()
  #count = 0

  add(value: number): void {
    this.#count += 1
    if (!this.#values) {
      const bucket = bucketOf(value)
      this.#buckets.set(bucket, (this.#buckets.get(bucket) ?? 0) + 1)
      return
    }
    this.#values.push(value)
    this.#isSorted = false
    if (this.#values.length > EXACT_VALUES_MAX) this.#toBuckets()
  }

  /** Values that are kept as they are. */
  get exactCount(): number {
    return this.#values?.length ?? 0
  }

  /** Counts in buckets from now on, however few values there are. */
  coarsen(): void {
    if (this.#values) this.#toBuckets()
  }

  merge(other: Quantiles): void {
    if (other.#values) {
      for (const value of other.#values) this.add(value)
      return
    }
    if (this.#values) this.#toBuckets()
    for (const [bucket, count] of other.#buckets) this.#buckets.set(bucket, (this.#buckets.get(bucket) ?? 0) + count)
    this.#count += other.#count
  }

  /** The value below which `percent` of the values lie, interpolated between neighbours; NaN where there is none. */
  at(percent: number): number {
    if (this.#count === 0) return Number.NaN
    const rank = (Math.min(100, Math.max(0, percent)) / 100) * (this.#count - 1)
    const below = this.#ranked(Math.floor(rank))
    const above = this.#ranked(Math.ceil(rank))
    return below + (above - below) * (rank - Math.floor(rank))
  }

  snapshot(): QuantilesSnapshot {
    return this.#values ? { values: [...this.#values] } : { buckets: [...this.#buckets] }
  }

  static restore({ values, buckets }: QuantilesSnapshot): Quantiles {
    const restored = new Quantiles()
    if (values) for (const value of values) restored.add(value)
    if (buckets) {
      restored.#values = undefined
      restored.#buckets = new Map(buckets)
      restored.#count = buckets.reduce((sum, [, count]) => sum + count, 0)
    }
    return restored
  }

  #ranked(rank: number): number {
    if (this.#values) {
      if (!this.#isSorted) this.#values.sort((a, b) => a - b)
      this.#isSorted = true
      return this.#values[rank] ?? Number.NaN
    }
    let passed = 0
    for (const [bucket, count] of [...this.#buckets].sort(([a], [b]) => a - b)) {
      passed += count
      if (passed > rank) return middleOf(bucket)
    }
    return Number.NaN
  }

  #toBuckets(): void {
    const values = this.#values ?? []
    this.#values = undefined
    this.#count = 0
    for (const value of values) this.add(value)
  }
}

/** Bucket 0 is zero; those of negative values have negative numbers, mirrored. */
function bucketOf(value: number): number {
  const size = Math.abs(value)
  if (size < SMALLEST) return 0
  const bucket = Math.floor(Math.log(size / SMALLEST) / LOG_GROWTH) + 1
  return value < 0 ? -bucket : bucket
}

function middleOf(bucket: number): number {
  if (bucket === 0) return 0
  const size = SMALLEST * BUCKET_GROWTH ** (Math.abs(bucket) - 0.5)
  return bucket < 0 ? -size : size
}
