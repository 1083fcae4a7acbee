import { describe, expect, test } from 'vitest'
import { type Flow, FlowWatch, NOT_FLOWING_MS } from '../../src/console/flow-watch.ts'
import { coreMetrics, edgeMetrics, joinMetrics } from '../../src/console/metrics.ts'
import { Alarms } from '../../src/runtime/alarms.ts'
import { systemClock } from '../../src/runtime/clock.ts'

describe('a gateway whose records wait', () => {
  let nowMs = 0
  let flow: Flow = { source: 's', settled: 5, buffered: 0 }
  const clock = { ...systemClock, monotonicMs: () => nowMs }
  const alarms = new Alarms(clock)
  const watch = new FlowWatch(clock, alarms, () => [flow])
  const later = (ms: number, next: Partial<Flow>) => {
    nowMs += ms
    flow = { ...flow, ...next }
    watch.look()
    return alarms.list().map(({ code }) => code)
  }

  test('is unwell when none of them is settled, and well again with the first that is', () => {
    expect(later(0, {})).toEqual([])
    expect(later(NOT_FLOWING_MS * 2, { buffered: 0 })).toEqual([])
    expect(later(1_000, { buffered: 10 })).toEqual([])
    expect(later(NOT_FLOWING_MS - 2_000, { buffered: 20 })).toEqual([])
    expect(later(1_000, { buffered: 30 })).toEqual(['not_flowing'])
    expect(later(1_000, { settled: 6, buffered: 29 })).toEqual([])
    expect(later(NOT_FLOWING_MS, {})).toEqual(['not_flowing'])
    expect(later(1_000, { settled: 35, buffered: 0 })).toEqual([])
  })
})

describe('metrics', () => {
  const edge = edgeMetrics({
    version: '1.2.3',
    gateway: 'g',
    link: { state: 'sending', quota: { bytes_per_second: 1_024, records_per_second: null } },
    disk: { quota_bytes: 100, used_bytes: 50, written_bytes: 75 },
    sources: [
      {
        source: 's',
        state: 'reading',
        read: 12,
        decode_errors: 1,
        dropped: 0,
        trouble: { 'no answer': 3 },
        steps: [
          { step: 'filter', taken: 12, withheld: 4, unread: 1 },
          { step: 'filter', taken: 8, withheld: 0, unread: 0 },
        ],
        next: 12,
        settled: 10,
        buffered: { records: 2, bytes: 99, oldest: '2026-01-01T00:00:00.000Z' },
      },
    ],
    alarms: [{ code: 'link_down' }, { code: 'odd"\\' }],
  })

  test('each family says what it is, once, before its samples, and each line is one that Prometheus reads', () => {
    const core = coreMetrics({
      version: '1',
      gateways: [
        { gateway: 'g', quota: { bytes_per_second: 1_024, records_per_second: 5, throttled: true, throttled_ms: 1_500 } },
      ],
      reports: [],
      sources: [
        { source: 'g/s', topic: 't', partition: 3, first: 0, next: 9 },
        { source: 'g/u', topic: 't', partition: 4, first: null, next: null },
      ],
      jobs: [{ job: 'p.j', lag: 4, last_run: null }],
      analysers: [],
      alarms: [],
    })
    const both = joinMetrics([edge, core])
    for (const text of [edge, core, both]) {
      const line = /^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{([a-z_]+="([^"\\\n]|\\["\\n])*",?)+\})? -?[0-9.e+-]+)$/
      for (const each of text.trimEnd().split('\n')) expect(each).toMatch(line)
      const names = [...text.matchAll(/^# TYPE ([a-z_]+)/gm)].map(([, name]) => name)
      expect(new Set(names).size).toBe(names.length)
    }
    expect(core).toContain('headrace_partition_next_offset{source="g/s",topic="t",partition="3"} 9\n')
    expect(core).not.toContain('g/u')
    for (const role of ['edge', 'core']) expect(both).toMatch(new RegExp(`^process_cpu_seconds_total\\{role="${role}"\\}`, 'm'))
    expect(both.trimEnd().split('\n').length).toBe(new Set(`${edge}${core}`.trimEnd().split('\n')).size)
  })

  test('counters end in _total, and values are those of the status', () => {
    for (const [, name] of edge.matchAll(/^# TYPE ([a-z_]+) counter/gm)) expect(name).toMatch(/_total$/)
    expect(edge).toContain('headrace_source_records_read_total{source="s"} 12\n')
    expect(edge).toContain('headrace_source_oldest_buffered_timestamp_seconds{source="s"} 1767225600\n')
    expect(edge).toContain('headrace_alarms{role="edge",code="odd\\"\\\\"} 1\n')
    expect(edge).toContain('headrace_link_up{gateway="g"} 1\n')
    expect(edge).toContain('headrace_source_trouble_total{source="s",what="no answer"} 3\n')
    expect(edge).toContain('headrace_source_step_withheld_records_total{source="s",step="filter",place="1"} 4\n')
    expect(edge).toContain('headrace_source_step_taken_records_total{source="s",step="filter",place="2"} 8\n')
    expect(edge).toContain('headrace_source_step_unread_records_total{source="s",step="filter",place="1"} 1\n')
  })
})
