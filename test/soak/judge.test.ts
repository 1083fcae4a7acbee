import { describe, expect, test } from 'vitest'
import { flatness, largest, type Point, robustSlope } from '../../src/doctor/flatness.ts'
import { hasPassed, type RunReport, renderReport, reportJson } from '../../src/doctor/report.ts'
import { SeededRandom } from '../support/random.ts'

const RUN_MS = 600_000
const random = new SeededRandom(7)
const series = (of: (atMs: number) => number): Point[] =>
  Array.from({ length: 300 }, (_, index) => [index * 2_000, of(index * 2_000)] as const)
const noise = () => (random.next() - 0.5) * 20
const ALLOWED = { share: 0.1, atLeast: 8 }

describe('memory over the second half of a run', () => {
  test.each([
    ['that only trembles is flat', () => 120 + noise(), true],
    ['that rose while things filled up, and no more, is flat', (ms: number) => 80 + Math.min(ms / 5_000, 40) + noise(), true],
    ['that is a saw is flat', (ms: number) => 100 + ((ms / 1_000) % 40), true],
    ['that fell with a restart is flat', (ms: number) => (ms < 400_000 ? 150 : 90) + noise(), true],
    ['that rises by a megabyte each ten seconds is not', (ms: number) => 100 + ms / 10_000 + noise(), false],
    [
      'that rises, with every sixth sample anything at all, is not',
      (ms: number) => (ms % 12_000 === 0 ? random.next() * 400 : 100 + ms / 10_000),
      false,
    ],
  ] as const)('%s', (_what, of, flat) => {
    expect(flatness(series(of), RUN_MS, ALLOWED).flat).toBe(flat)
  })

  test('of cores that have the work in turn is judged by the larger: filling up to what the other had is no leak, passing it is', () => {
    const first = series(ms => (ms < 480_000 ? 250 : 245) + noise())
    const late = (mibPerSecond: number) => series(ms => 160 + Math.max(0, ms - 420_000) * mibPerSecond * 1e-3 + noise())
    const upTo = (limit: number, points: Point[]): Point[] => points.map(([atMs, value]) => [atMs, Math.min(value, limit)])
    expect(flatness(largest([first, upTo(245, late(0.6))]), RUN_MS, ALLOWED).flat).toBe(true)
    expect(flatness(late(0.6), RUN_MS, ALLOWED).flat).toBe(false)
    expect(flatness(largest([first, late(2)]), RUN_MS, ALLOWED).flat).toBe(false)
  })

  test('its slope is that of most pairs', () => {
    expect(robustSlope(series(ms => 3 + ms / 1_000))).toBeCloseTo(0.001, 9)
    expect(robustSlope([])).toBe(0)
  })
})

test('a report shows what fails, and takes no markup from what it is told', () => {
  const report: RunReport = {
    title: 'Soak <script>',
    command: 'npm run soak -- --for 1h',
    seed: 1,
    started: '2026-01-01T00:00:00Z',
    lastedMs: RUN_MS,
    facts: { sources: 3 },
    figures: [{ title: 'Memory', unit: 'MiB', series: [{ name: 'edge', points: series(() => 100) }] }],
    faults: [{ atMs: 1_000, lastedMs: 500, what: 'core killed' }],
    judgements: [{ what: 'nothing lost', verdict: 'fails', detail: '3 lost' }],
  }
  expect(hasPassed(report)).toBe(false)
  const page = renderReport(report)
  expect(page).toContain('Something does not hold')
  expect(page).not.toContain('<script>')
  expect(page).not.toMatch(/(src|href)=/)
  expect(page.match(/<polyline/g)).toHaveLength(1)
  expect(reportJson(report)).toMatchObject({ lasted_ms: RUN_MS, faults: [{ at_ms: 1_000, lasted_ms: 500, what: 'core killed' }] })
})
