import { table } from '../../src/cli/output.ts'

/** One source, from start to end of the demonstration. */
export interface SourceSummary {
  readonly source: string
  readonly read: number
  readonly arrived: number
  readonly droppedByBuffer: number
}

export interface Summary {
  readonly sources: readonly SourceSummary[]
  readonly runs: number
  readonly recordsInRuns: number
  readonly alerts: number
  /** Ended by a person, perhaps before anything was read; then a source that said nothing is no failure. */
  readonly interrupted: boolean
}

export function allArrived({ sources, interrupted }: Summary): boolean {
  return sources.length > 0 && sources.every(({ read, arrived }) => (read > 0 || interrupted) && read === arrived)
}

export function summaryText(summary: Summary): string {
  const { sources, runs, recordsInRuns, alerts } = summary
  const rows = sources.map(({ source, read, arrived, droppedByBuffer }) => [source, read, arrived, droppedByBuffer])
  const missing = sources.filter(({ read, arrived }) => read !== arrived)
  const silent = sources.filter(({ read }) => read === 0 && !summary.interrupted)
  const verdict = allArrived(summary)
    ? 'Every record that was read is in the log.'
    : [
        ...missing.map(({ source, read, arrived }) => `${source}: ${read} read, but ${arrived} arrived.`),
        ...silent.map(({ source }) => `${source}: nothing was read.`),
      ].join('\n')
  return [
    table(['source', 'read', 'in the log', 'dropped'], rows),
    '',
    `${runs} batch runs with ${recordsInRuns} records, ${alerts} alerts.`,
    verdict,
  ].join('\n')
}
