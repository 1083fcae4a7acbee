import type { KafkaCluster } from '../support/kafka/cluster.ts'

/** What every row is given. */
export interface BenchContext {
  readonly kafka: KafkaCluster
  /** A folder of this run, deleted at its end. */
  readonly folder: string
  readonly quick: boolean
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

/** Points of a curve: one plot for each unit. */
export interface Curve {
  readonly name: string
  readonly x: string
  readonly unit: string
  readonly points: readonly (readonly [number, number])[]
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
}

export type Measured = Omit<RowResult, 'row' | 'title' | 'load'>

/** One line of the table: what is measured, and beside what. */
export interface Row {
  readonly name: string
  readonly title: string
  measure(context: BenchContext): Promise<Measured>
}
