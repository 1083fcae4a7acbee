import { benchBatchReader, type ReaderRound } from '../batch-reader.ts'
import type { Figure, Row } from '../row.ts'

const RECORDS = { quick: 1_000_000, full: 10_000_000 }

/** The batch reader into a command, beside Kafka's own ConsumerPerformance, which writes nothing. */
export const reader: Row = {
  name: 'reader',
  title: 'Batch reader into `cat > file`, beside the Java consumer, which writes nothing',
  measure: async ({ kafka, quick, rounds }) => {
    const found = await benchBatchReader(kafka, {
      records: quick ? RECORDS.quick : RECORDS.full,
      rounds: quick ? 1 : rounds,
      warmUps: quick ? 0 : 1,
    })
    const figure = (name: string, unit: string, pick: (round: ReaderRound) => number, aim?: Figure['aim']): Figure => ({
      ...{ name, unit, aim },
      values: found.map(pick),
    })
    return {
      figures: [
        figure('Java ConsumerPerformance, writes nothing', 'records/s', ({ java }) => java),
        figure('batch reader', 'records/s', each => each.reader.recordsPerSecond, { better: 'above', value: 1_000_000 }),
        figure('batch reader', '× Java', each => each.reader.recordsPerSecond / each.java),
        figure('batch reader', 'CPU-s per million', each => each.reader.cpuSecondsPerMillion),
        figure('batch reader', 'MiB at most', each => each.reader.peakMib, { better: 'below', value: 200 }),
      ],
    }
  },
}
