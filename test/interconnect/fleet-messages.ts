/** What the process of the cores tells when it is asked. */
export interface CoresReport {
  readonly open: number
  readonly records: number
  readonly rssBytes: number
  readonly heapBytes: number
  /** Openings that asked the log at the same time, at the most, since the last report. */
  readonly openingsAtOnce: number
  /** Records that do not lie at the offset that is their number. */
  readonly misplaced: number
}

/** What the process is told at its start. */
export interface CoresSetup {
  readonly ports: readonly number[]
  /** A real Kafka; the model of a log where there is none. */
  readonly brokers?: readonly string[]
}

/** Topics of the fleet's sources begin with this. */
export const FLEET_TOPIC = 'topic-'

export type CoresCommand = 'report' | 'outage' | 'return'
