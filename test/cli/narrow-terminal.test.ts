import { expect, test } from 'vitest'
import { coreText, edgeText } from '../../src/cli/commands/status.ts'
import { Rates, screen } from '../../src/cli/commands/top.ts'
import { fittedTable, terminalSize } from '../../src/cli/fitted-table.ts'

type Edge = Parameters<typeof edgeText>[0]
type Core = Parameters<typeof coreText>[0]

const LONG = 'compressor-of-the-northern-hall-upper-floor'
const REASON =
  'the device does not answer: is it switched on, and is its cable where it was before the last inspection of the hall?'

const edge = {
  gateway: 'plant-with-a-long-name-a-1',
  link: { state: 'sending', peer: 'amqps://core.northern-works.example:5671', since: '2026-01-31T08:00:00.000Z' },
  disk: {
    ...{ used_bytes: 123_456_789, quota_bytes: 1_073_741_824, written_bytes: 987_654_321 },
    ...{ written_per_day_bytes: 1e9, flash_budget_bytes: 2e9 },
  },
  sources: [1, 2].map(number => ({
    ...{ source: `${LONG}-${number}`, state: 'reading', read: 123_456_789, dropped: 0, decode_errors: 0, settled: 123_456_780 },
    ...{ buffered: { records: 9 }, topic: 'northern-works-of-the-plant', partition: number },
    ...{ reason: number === 1 ? null : REASON, trouble: { 'no answer': 3 }, steps: [] },
  })),
  analysers: [
    { analyser: `${LONG}-is-too-hot`, state: 'running', sources: 2, last_alert: '2026-01-31T08:00:00.000Z', undelivered: 3 },
  ],
  alarms: [{ since: '2026-01-31T08:00:00.000Z', message: `source ${LONG} was given up: ${REASON}`, advice: REASON }],
} as unknown as Edge

const core = {
  ...{ log: { engine: 'sqlite', identity: '01234567-89ab-cdef-0123-456789abcdef' }, gateways: [{ gateway: edge.gateway }] },
  reports: [
    {
      ...{ gateway: edge.gateway, heard: '2026-01-31T08:00:00.000Z', alarms: [] },
      ...{ buffered: { records: 7, oldest: '2026-01-31T08:00:00.000Z' }, disk: { written_bytes: 1 } },
    },
  ],
  sources: edge.sources.map(({ source, topic, partition }) => ({
    ...{ source: `${edge.gateway}/${source}`, topic, partition, first: 0, next: 123_456_789, retired: null },
  })),
  jobs: [
    {
      ...{
        job: 'northern-works-of-the-plant.nightly-load-of-everything',
        last_run: { state: 'done', ended: '2026-01-31T08:00:00.000Z' },
      },
      ...{ lag: 0, lost: 0, next_run: '2026-02-01T02:00:00.000Z' },
    },
  ],
  analysers: edge.analysers.map(each => ({ ...each, lag: 1_000, late: 7, cut: 0 })),
  alarms: edge.alarms,
} as unknown as Core

const widest = (text: string) => Math.max(...text.split('\n').map(({ length }) => length))

test.each([60, 80, 100])(
  'status in a terminal of %i columns was wider than it, and wrapped within words and figures',
  columns => {
    for (const text of [edgeText(edge, columns), coreText(core, columns)]) {
      expect(widest(text)).toBeLessThanOrEqual(columns)
      // What tells sources apart stays, and so does what somebody has to do.
      for (const number of [1, 2]) expect(text).toMatch(new RegExp(`…\\S*-${number} `))
      expect(text.replaceAll(/\s+/g, ' ')).toContain(REASON)
    }
    expect(edgeText(edge, columns)).toContain('123456789')
  },
)

test('status in a pipe is whole', () => {
  for (const text of [edgeText(edge, undefined), coreText(core, undefined)]) {
    for (const { source, topic, partition } of edge.sources) {
      expect(text).toContain(source)
      expect(text).toContain(`${topic}[${partition}]`)
    }
    expect(text).not.toContain('…')
  }
})

test('top keeps what its lines end with: it was cut off where names are long', () => {
  const shown = screen({ ...edge, gateway: 'g'.repeat(63) }, core, new Rates(), { rows: 24, columns: 80 })
  expect(widest(shown)).toBeLessThanOrEqual(80)
  expect(shown).toContain(': link sending, 1 alarms\n')
  expect(shown.match(/ reading$/gm)).toHaveLength(2)
})

test('top in a pipe shows every source, and not so many as a terminal of 80 lines', () => {
  const many = { ...edge, sources: Array.from({ length: 200 }, () => edge.sources[0]) } as Edge
  expect(screen(many, undefined, new Rates(), terminalSize({})).split('\n')).toHaveLength(202)
})

test('a terminal that does not tell its size is none that something has to fit', () => {
  expect(terminalSize({ isTTY: true, rows: 0, columns: 0 })).toEqual({})
  expect(terminalSize({ isTTY: true, rows: 24, columns: 80 })).toEqual({ rows: 24, columns: 80 })
  expect(terminalSize({ rows: 24, columns: 80 })).toEqual({})
})

test('columns that say nothing go before names are shortened, and names before others', () => {
  const head = ['source', 'lost', 'next', '']
  const rows = [[LONG, 0, 12, 'fine']]
  const yielding = { names: ['source'], spare: ['next', 'lost'] }
  expect(fittedTable(head, rows, yielding, 55).split('\n')[1]).toBe(`${LONG}    12  fine`)
  expect(fittedTable(head, rows, yielding, 40).split('\n')[1]).toBe('compressor-of-…l-upper-floor    12  fine')
  expect(fittedTable(head, rows, yielding, 20).split('\n')[1]).toBe('compres…-floor  fine')
})
