import type { ReportedSource } from '../amqp/gateway-report.ts'
import { kindOf } from '../config/kind-of.ts'
import type { LoadedPipeline } from '../config/load.ts'
import type { IngressStatus } from '../ingress/ingress.ts'
import type { GatewayStanding } from '../ingress/reports.ts'

/** What a gateway last said of itself. */
export function standingJson({ gateway, heardMs, report }: GatewayStanding) {
  const { quota_bytes, used_bytes, written_bytes, records, bytes, oldest_ms, alarms } = report
  return {
    gateway,
    heard: new Date(heardMs).toISOString(),
    disk: { quota_bytes, used_bytes, written_bytes },
    buffered: { records, bytes, oldest: iso(oldest_ms) },
    alarms,
  }
}

/** What a gateway last said of one of its sources; null where it said nothing yet. */
export function atGateway(standing: GatewayStanding | undefined, source: string) {
  const row: ReportedSource | undefined = standing?.sources.get(source)
  if (!row) return null
  const { state, reason, read, dropped, undecoded: decode_errors, records, bytes, oldest_ms } = row
  return { state, reason, read, dropped, decode_errors, buffered: { records, bytes, oldest: iso(oldest_ms) } }
}

function iso(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString()
}

/** A pipeline as a picture needs it: what it reads, and who reads from it. */
export function pipelineView({ config, topic }: LoadedPipeline) {
  return {
    pipeline: config.pipeline,
    topic,
    sources: Object.entries(config.sources).map(([source, options]) => ({ source, kind: kindOf(options).kind.kind })),
    jobs: Object.entries(config.batch).map(([job, { sources, schedule, timezone }]) => ({
      job: `${config.pipeline}.${job}`,
      sources,
      schedule: schedule ?? null,
      timezone,
    })),
    analysers: Object.entries(config.analysers).map(([analyser, { sources }]) => ({
      analyser: `${config.pipeline}.${analyser}`,
      sources,
    })),
  }
}

/** A gateway with a session, and what its quota does to it. */
export function gatewayView({ gateway, session, since, quota }: IngressStatus['gateways'][number]) {
  const { bytesPerSecond, recordsPerSecond, throttled, throttledMs } = quota
  const limited = bytesPerSecond !== undefined || recordsPerSecond !== undefined
  return {
    gateway,
    session: String(session),
    since,
    quota: limited
      ? {
          bytes_per_second: bytesPerSecond ?? null,
          records_per_second: recordsPerSecond ?? null,
          throttled,
          throttled_ms: Math.round(throttledMs),
        }
      : null,
  }
}
