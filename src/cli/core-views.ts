import type { Alert } from '../analyser/analyser.ts'
import { kindOf, type LoadedPipeline } from '../config/load.ts'
import type { IngressStatus } from '../ingress/ingress.ts'
import { sourceKey } from '../runtime/names.ts'

/** Alerts that are shown again; older ones are where their sinks put them. */
const ALERTS_KEPT = 200

/** The latest alerts since the start, for whoever looks. */
export class RecentAlerts {
  readonly #alerts: Alert[] = []

  add(alert: Alert): void {
    this.#alerts.push(alert)
    if (this.#alerts.length > ALERTS_KEPT) this.#alerts.shift()
  }

  /** Newest first. */
  list() {
    return this.#alerts.toReversed().map(({ key, analyser, source, state, timeMs, message, values }) => ({
      key,
      analyser,
      source: source && sourceKey(source),
      state,
      time: new Date(timeMs).toISOString(),
      message,
      values,
    }))
  }
}

/** A pipeline as a picture needs it: what it reads, and who reads from it. */
export function pipelineView({ config, topic }: LoadedPipeline) {
  return {
    pipeline: config.pipeline,
    topic,
    sources: Object.entries(config.sources).map(([source, options]) => ({ source, kind: kindOf(options).kind.kind })),
    jobs: Object.entries(config.batch).map(([job, { sources }]) => ({ job: `${config.pipeline}.${job}`, sources })),
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
