import { type GatewayReport, REPORTED_ALARMS_MAX, REPORTED_TEXT_LENGTH_MAX, type ReportedSource } from '../amqp/gateway-report.ts'
import type { EdgeSourceStatus, EdgeStatus } from './edge-status.ts'

/** What a gateway tells its core of itself: what its own status says, within bounds. */
export function reportOf({ disk, sources, alarms }: EdgeStatus, timeMs: number): GatewayReport {
  const rows = sources.map(rowOf)
  const oldest = rows.flatMap(({ oldest_ms }) => (oldest_ms === null ? [] : [oldest_ms]))
  return {
    time_ms: Math.round(timeMs),
    ...disk,
    records: rows.reduce((sum, { records }) => sum + records, 0),
    bytes: rows.reduce((sum, { bytes }) => sum + bytes, 0),
    oldest_ms: oldest.length === 0 ? null : oldest.reduce((least, each) => Math.min(least, each)),
    sources: rows,
    alarms: alarms
      .slice(0, REPORTED_ALARMS_MAX)
      .map(({ message, advice, ...rest }) => ({ ...rest, message: cut(message), advice: cut(advice) })),
  }
}

function rowOf({ source, state, reason, read, dropped, decode_errors: undecoded, buffered }: EdgeSourceStatus): ReportedSource {
  const { records, bytes, oldest } = buffered
  const oldestMs = oldest === null ? null : Date.parse(oldest)
  return { source, state, reason: reason && cut(reason), read, dropped, undecoded, records, bytes, oldest_ms: oldestMs }
}

function cut(text: string): string {
  return text.length <= REPORTED_TEXT_LENGTH_MAX ? text : `${text.slice(0, REPORTED_TEXT_LENGTH_MAX - 1)}…`
}
