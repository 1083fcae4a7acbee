import type { EdgeBuffer } from '../buffer/buffer.ts'
import type { LinkStatus } from '../link/link-state.ts'
import type { GatewayAnalyserStatus, GatewayRunner } from '../reader/realtime/gateway-runner.ts'
import type { Fields } from '../record/fields.ts'
import type { Alarm, Alarms } from '../runtime/alarms.ts'
import type { StepCounts } from '../source/steps/chain.ts'
import type { EdgeSources } from './edge-sources.ts'
import type { RetiredSources } from './retired-sources.ts'
import { VERSION } from './version.ts'

export interface EdgeStatus {
  readonly version: string
  readonly role: 'edge'
  readonly gateway: string
  readonly running: true
  readonly link: {
    readonly state: string
    readonly peer: string | null
    readonly session: string | null
    readonly since: string
    /** What the core lets this gateway send. */
    readonly quota: { readonly bytes_per_second: number | null; readonly records_per_second: number | null } | null
  }
  readonly disk: {
    readonly quota_bytes: number
    readonly used_bytes: number
    readonly written_bytes: number
    /** At the rate of the last hour; null in the first minutes. */
    readonly written_per_day_bytes: number | null
    /** What may be written in a day; null where nothing is declared. */
    readonly flash_budget_bytes: number | null
  }
  readonly sources: readonly EdgeSourceStatus[]
  readonly analysers: readonly GatewayAnalyserStatus[]
  readonly alarms: readonly Alarm[]
}

export interface EdgeSourceStatus {
  readonly source: string
  readonly pipeline: string | null
  readonly state: string
  readonly reason: string | null
  readonly read: number
  readonly decode_errors: number
  readonly trouble: Readonly<Record<string, number>>
  /** What each step between source and buffer has withheld. */
  readonly steps: readonly StepCounts[]
  /** Types and units of what is buffered, as far as they are known. */
  readonly fields: Fields
  readonly dropped: number
  readonly next: number
  readonly settled: number
  readonly buffered: { readonly records: number; readonly bytes: number; readonly oldest: string | null }
  readonly topic: string
  readonly partition: number | null
}

/** What the view is made from. */
interface EdgeStatusParts {
  readonly gateway: string
  readonly link: LinkStatus
  readonly buffer: EdgeBuffer
  readonly sources: EdgeSources
  readonly retired: RetiredSources
  readonly analysers: Pick<GatewayRunner, 'status'>
  readonly alarms: Alarms
}

/** How the gateway stands, as `headrace status`, its metrics, its console and its reports to the core have it. */
export function edgeStatus({ gateway, link, buffer, sources, retired, analysers, alarms }: EdgeStatusParts): EdgeStatus {
  const { state, peer, session, since, quota, sources: lanes } = link
  const disk = buffer.disk()
  const frozen = new Map(lanes.map(lane => [lane.source, lane]))
  return {
    version: VERSION,
    role: 'edge',
    gateway,
    running: true,
    link: {
      state,
      peer: peer ?? null,
      session: session === undefined ? null : String(session),
      since,
      quota: quotaView(quota),
    },
    disk: {
      quota_bytes: disk.quotaBytes,
      used_bytes: disk.usedBytes,
      written_bytes: disk.writtenBytes,
      written_per_day_bytes: disk.writtenPerDayBytes,
      flash_budget_bytes: disk.flashBytesPerDay,
    },
    sources: buffer.outlets().map(outlet => {
      const entry = sources.get(outlet.source)
      const running = entry?.runner.status()
      const buffered = outlet.buffered()
      const lane = frozen.get(outlet.source)
      const isFrozen = lane?.state === 'frozen'
      const whyRetired = retired.reasonOf(outlet.source)
      const whyNotBegun = sources.whyNotBegun(outlet.source)
      const standing = whyNotBegun === undefined ? (whyRetired === undefined ? 'removed' : 'retired') : 'stopped'
      return {
        source: outlet.source,
        pipeline: entry?.pipeline ?? null,
        state: isFrozen ? 'frozen' : (running?.state ?? standing),
        reason: (isFrozen ? lane.reason : (running?.reason ?? whyNotBegun ?? whyRetired)) ?? null,
        read: running?.read ?? 0,
        decode_errors: running?.decode_errors ?? 0,
        trouble: running?.trouble ?? {},
        steps: running?.steps ?? [],
        fields: sources.fieldsOf(outlet.source) ?? {},
        dropped: entry ? buffer.inlet(outlet.source).counts().dropped : 0,
        next: outlet.next,
        settled: outlet.settled,
        buffered: {
          records: buffered.records,
          bytes: buffered.bytes,
          oldest: buffered.oldestMs === undefined ? null : new Date(buffered.oldestMs).toISOString(),
        },
        topic: outlet.topic,
        partition: outlet.assignment?.partition ?? null,
      }
    }),
    analysers: analysers.status(),
    alarms: alarms.list(),
  }
}

function quotaView(quota: LinkStatus['quota']): EdgeStatus['link']['quota'] {
  return quota ? { bytes_per_second: quota.bytesPerSecond ?? null, records_per_second: quota.recordsPerSecond ?? null } : null
}
