/*
  Prometheus text format 0.0.4:
    # HELP name text LF  # TYPE name kind LF  (name labels? SP value LF)*
    labels = "{" name="value" ("," name="value")* "}"      a value escapes \, " and line feeds
*/

/** The content type of what {@link edgeMetrics} and {@link coreMetrics} give. */
export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

type Labels = Readonly<Record<string, string | number>>
type Sample = readonly [labels: Labels, value: number | null | undefined]

export interface EdgeFigures {
  readonly version: string
  readonly gateway: string
  readonly link: {
    readonly state: string
    readonly quota: { readonly bytes_per_second: number | null; readonly records_per_second: number | null } | null
  }
  readonly disk: {
    readonly quota_bytes: number
    readonly used_bytes: number
    readonly written_bytes: number
    readonly flash_budget_bytes?: number | null
  }
  readonly sources: readonly {
    readonly source: string
    readonly state: string
    readonly read: number
    readonly decode_errors: number
    readonly dropped: number
    readonly trouble: Readonly<Record<string, number>>
    readonly steps: readonly {
      readonly step: string
      readonly taken: number
      readonly withheld: number
      readonly unread: number
    }[]
    readonly next: number
    readonly settled: number
    readonly buffered: { readonly records: number; readonly bytes: number; readonly oldest: string | null }
  }[]
  readonly alarms: readonly unknown[]
}

export interface CoreFigures {
  readonly version: string
  readonly gateways: readonly {
    readonly gateway: string
    readonly quota: {
      readonly bytes_per_second: number | null
      readonly records_per_second: number | null
      readonly throttled: boolean
      readonly throttled_ms: number
    } | null
  }[]
  readonly sources: readonly {
    readonly source: string
    readonly topic: string
    readonly partition: number
    readonly first: number | null
    readonly next: number | null
  }[]
  readonly reports: readonly {
    readonly gateway: string
    readonly heard: string
    readonly buffered: { readonly records: number; readonly bytes: number; readonly oldest: string | null }
  }[]
  readonly jobs: readonly {
    readonly job: string
    readonly lag: number | null
    readonly last_run: { readonly state: string; readonly ended: string | null } | null
  }[]
  readonly analysers: readonly { readonly analyser: string; readonly lag: number | null }[]
  readonly alarms: readonly unknown[]
}

/** What a gateway's status says, as Prometheus reads it. */
export function edgeMetrics(status: EdgeFigures): string {
  const of = (value: (source: EdgeFigures['sources'][number]) => number | null): Sample[] =>
    status.sources.map(source => [{ source: source.source }, value(source)])
  // A source may have two steps of a kind: their places tell them apart.
  const ofSteps = (count: 'taken' | 'withheld' | 'unread'): Sample[] =>
    status.sources.flatMap(({ source, steps }) =>
      steps.map((step, index): Sample => [{ source, step: step.step, place: index + 1 }, step[count]]),
    )
  return [
    ...common('edge', status),
    family('headrace_link_up', 'gauge', 'Whether the gateway has a session with a core.', [
      [{ gateway: status.gateway }, status.link.state === 'sending' ? 1 : 0],
    ]),
    family('headrace_link_quota_bytes_per_second', 'gauge', 'What the core lets this gateway send.', [
      [{ gateway: status.gateway }, status.link.quota?.bytes_per_second],
    ]),
    family('headrace_link_quota_records_per_second', 'gauge', 'Records that the core lets this gateway send.', [
      [{ gateway: status.gateway }, status.link.quota?.records_per_second],
    ]),
    family(
      'headrace_source_records_read_total',
      'counter',
      'Records read since the start.',
      of(each => each.read),
    ),
    family(
      'headrace_source_decode_errors_total',
      'counter',
      'Records that could not be decoded, and stay as they came.',
      of(each => each.decode_errors),
    ),
    family(
      'headrace_source_records_dropped_total',
      'counter',
      'Records that gave way in a full buffer; each is declared as a gap.',
      of(each => each.dropped),
    ),
    family(
      'headrace_source_trouble_total',
      'counter',
      'What went wrong with a device and did not end its source, such as an answer that did not come.',
      status.sources.flatMap(({ source, trouble }) =>
        Object.entries(trouble).map(([what, count]): Sample => [{ source, what }, count]),
      ),
    ),
    family('headrace_source_step_taken_records_total', 'counter', 'Records that came to a step.', ofSteps('taken')),
    family(
      'headrace_source_step_withheld_records_total',
      'counter',
      'Records that a step left out, or made into others.',
      ofSteps('withheld'),
    ),
    family(
      'headrace_source_step_unread_records_total',
      'counter',
      'Records that a step could not judge, and passed on as they were.',
      ofSteps('unread'),
    ),
    family(
      'headrace_source_next_sequence',
      'gauge',
      'The number that the next record to be cut gets.',
      of(each => each.next),
    ),
    family(
      'headrace_source_settled_sequence',
      'gauge',
      'The first number that the log does not have.',
      of(each => each.settled),
    ),
    family(
      'headrace_source_buffered_records',
      'gauge',
      'Records that the log does not have.',
      of(each => each.buffered.records),
    ),
    family(
      'headrace_source_buffered_bytes',
      'gauge',
      'Bytes that they take.',
      of(each => each.buffered.bytes),
    ),
    family(
      'headrace_source_oldest_buffered_timestamp_seconds',
      'gauge',
      'When the oldest of them was read.',
      of(each => secondsOf(each.buffered.oldest)),
    ),
    family(
      'headrace_source_frozen',
      'gauge',
      'Whether the source waits for a person.',
      of(each => (each.state === 'frozen' ? 1 : 0)),
    ),
    family('headrace_buffer_quota_bytes', 'gauge', 'What the buffer may take.', [[{}, status.disk.quota_bytes]]),
    family('headrace_buffer_used_bytes', 'gauge', 'What it takes.', [[{}, status.disk.used_bytes]]),
    family('headrace_buffer_written_bytes_total', 'counter', 'Bytes written to disk since the start.', [
      [{}, status.disk.written_bytes],
    ]),
    family('headrace_buffer_flash_budget_bytes', 'gauge', 'Bytes that may be written in a day, where that is declared.', [
      [{}, status.disk.flash_budget_bytes],
    ]),
  ].join('')
}

/** What a core's status says, as Prometheus reads it. */
export function coreMetrics(status: CoreFigures): string {
  const of = (value: (source: CoreFigures['sources'][number]) => number | null): Sample[] =>
    status.sources.map(source => [{ source: source.source, topic: source.topic, partition: source.partition }, value(source)])
  const ofGateway = (value: (report: CoreFigures['reports'][number]) => number | null): Sample[] =>
    status.reports.map(report => [{ gateway: report.gateway }, value(report)])
  return [
    ...common('core', status),
    family('headrace_gateways_connected', 'gauge', 'Gateways with a session at this core.', [[{}, status.gateways.length]]),
    family(
      'headrace_gateway_heard_timestamp_seconds',
      'gauge',
      'When a gateway last said how it stands.',
      ofGateway(each => secondsOf(each.heard)),
    ),
    family(
      'headrace_gateway_buffered_records',
      'gauge',
      'Records that waited on a gateway then.',
      ofGateway(each => each.buffered.records),
    ),
    family(
      'headrace_gateway_oldest_buffered_timestamp_seconds',
      'gauge',
      'When the oldest of them was read.',
      ofGateway(each => secondsOf(each.buffered.oldest)),
    ),
    family(
      'headrace_gateway_quota_bytes_per_second',
      'gauge',
      'What a gateway may send.',
      status.gateways.map(({ gateway, quota }) => [{ gateway }, quota?.bytes_per_second]),
    ),
    family(
      'headrace_gateway_quota_records_per_second',
      'gauge',
      'Records that a gateway may send.',
      status.gateways.map(({ gateway, quota }) => [{ gateway }, quota?.records_per_second]),
    ),
    family(
      'headrace_gateway_throttled',
      'gauge',
      'Whether a gateway is held back by its quota now.',
      status.gateways.map(({ gateway, quota }) => [{ gateway }, quota && (quota.throttled ? 1 : 0)]),
    ),
    family(
      'headrace_gateway_throttled_seconds_total',
      'counter',
      'How long a gateway was held back by its quota.',
      status.gateways.map(({ gateway, quota }) => [{ gateway }, quota && quota.throttled_ms / 1_000]),
    ),
    family(
      'headrace_partition_first_offset',
      'gauge',
      'The first offset that can be read.',
      of(each => each.first),
    ),
    family(
      'headrace_partition_next_offset',
      'gauge',
      'The offset that the next record gets.',
      of(each => each.next),
    ),
    family(
      'headrace_job_lag_records',
      'gauge',
      'Records that a batch job has not had.',
      status.jobs.map(({ job, lag }) => [{ job }, lag]),
    ),
    family(
      'headrace_job_last_run_failed',
      'gauge',
      'Whether the last run of a batch job failed.',
      status.jobs.map(({ job, last_run }) => [{ job }, last_run === null ? null : last_run.state === 'failed' ? 1 : 0]),
    ),
    family(
      'headrace_job_last_run_timestamp_seconds',
      'gauge',
      'When the last run of a batch job ended.',
      status.jobs.map(({ job, last_run }) => [{ job }, secondsOf(last_run?.ended ?? null)]),
    ),
    family(
      'headrace_analyser_lag_records',
      'gauge',
      'Records that an analyser has not seen.',
      status.analysers.map(({ analyser, lag }) => [{ analyser }, lag]),
    ),
  ].join('')
}

/** What several processes, or two roles of one, say, as one answer: a family is said once, with the samples of all. */
export function joinMetrics(texts: readonly string[]): string {
  const [only, ...others] = texts
  if (only !== undefined && others.length === 0) return only
  const families = new Map<string, { readonly head: string; readonly samples: Set<string> }>()
  for (const text of texts) {
    for (const [, head = '', name = '', lines = ''] of text.matchAll(/(# HELP (\S+) .*\n# TYPE .*\n)((?:[^#].*\n)*)/g)) {
      const family = families.get(name) ?? { head, samples: new Set() }
      families.set(name, family)
      for (const line of lines.split('\n')) if (line !== '') family.samples.add(line)
    }
  }
  return [...families.values()].map(({ head, samples }) => head + [...samples].map(line => `${line}\n`).join('')).join('')
}

function common(role: string, { version, alarms }: { version: string; alarms: readonly unknown[] }): string[] {
  const codes = Map.groupBy(alarms as readonly { readonly code: string }[], ({ code }) => code)
  const { user, system } = process.cpuUsage()
  return [
    family('headrace_build_info', 'gauge', 'The version that runs.', [[{ version, role }, 1]]),
    family(
      'headrace_alarms',
      'gauge',
      'Alarms that stand, by code.',
      [...codes].map(([code, all]) => [{ role, code }, all.length]),
    ),
    family('process_resident_memory_bytes', 'gauge', 'Resident memory.', [[{ role }, process.memoryUsage.rss()]]),
    family('process_cpu_seconds_total', 'counter', 'CPU time, user and system.', [[{ role }, (user + system) / 1e6]]),
  ]
}

function family(name: string, kind: 'counter' | 'gauge', help: string, samples: readonly Sample[]): string {
  const lines = samples
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([labels, value]) => `${name}${labelled(labels)} ${value}\n`)
  // What has no figure now is named all the same: dashboards and rules can be checked against it.
  return `# HELP ${name} ${help}\n# TYPE ${name} ${kind}\n${lines.join('')}`
}

function labelled(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(String(value))}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}

function secondsOf(time: string | null): number | null {
  return time === null ? null : Date.parse(time) / 1_000
}
