import type { KafkaCluster } from '../support/kafka/cluster.ts'

/** What every row is given. */
export interface BenchContext {
  readonly kafka: KafkaCluster
  /** A folder of this run, deleted at its end. */
  readonly folder: string
  readonly quick: boolean
  /** Sizes of a curve instead of its own. */
  readonly sizes?: readonly number[] | undefined
  /** Rounds that count. */
  readonly rounds: number
  /** Says a line to whoever watches. */
  readonly say: (text: string) => void
}

export interface Figure {
  readonly name: string
  readonly unit: string
  /** One for each round. */
  readonly values: readonly number[]
  readonly aim?: Aim | undefined
}

/** What is aimed for, from the table in docs/performance.md. */
export interface Aim {
  readonly better: 'above' | 'below'
  readonly value: number
}

/** Points of a curve: one plot for each unit and x. */
export interface Curve {
  readonly name: string
  readonly x: string
  readonly unit: string
  readonly points: readonly (readonly [number, number])[]
  /** What is on the y axis is a cost, of all together or of each: its slopes are said, and where it is worse than linear. */
  readonly cost?: 'total' | 'each'
}

export interface RowResult {
  readonly row: string
  readonly title: string
  readonly figures: readonly Figure[]
  readonly curves?: readonly Curve[]
  /** Why nothing was measured. */
  readonly absent?: string
  /** What went wrong. */
  readonly failed?: string
  /** Load of the machine over the last minute, before and after: above its cores, others worked too. */
  readonly load: readonly [number, number]
  /** How long the row itself took. */
  readonly seconds: number
}

export type Measured = Omit<RowResult, 'row' | 'title' | 'load' | 'seconds'>

/** One line of the table: what is measured, and beside what. */
export interface Row {
  readonly name: string
  readonly title: string
  /** Shows how cost grows with size: long, and measured only where it is asked for by name. */
  readonly isCurve?: true
  measure(context: BenchContext): Promise<Measured>
}
