import { expect, test } from 'vitest'
import { Rates, screen } from '../../src/cli/commands/top.ts'

type Status = Parameters<typeof screen>

function edgeOf(sources: number): Status[0] {
  const source = (index: number) => ({
    source: `a-very-long-name-of-a-source-in-a-large-plant-${index}`,
    read: index,
    settled: index,
    buffered: { records: 0 },
    dropped: 0,
    state: 'reading',
  })
  return {
    gateway: 'g',
    link: { state: 'sending' },
    alarms: [],
    sources: Array.from({ length: sources }, (_, index) => source(index)),
  } as unknown as Status[0]
}

function coreOf(sources: number, jobs: number): Status[1] {
  return {
    gateways: [{}],
    alarms: [],
    sources: Array.from({ length: sources }, (_, partition) => ({ source: `g/s-${partition}`, topic: 't', partition, next: 5 })),
    jobs: Array.from({ length: jobs }, (_, index) => ({ job: `t.job-${index}`, lag: 0, lost: 0 })),
  } as unknown as Status[1]
}

test.each([
  [30, 30, 0],
  [30, 2, 1],
  [2, 30, 20],
  [50, 50, 50],
])('top of %i sources, %i partitions and %i jobs fits the terminal, with something of each', (sources, partitions, jobs) => {
  const lines = screen(edgeOf(sources), coreOf(partitions, jobs), new Rates(), { rows: 24, columns: 80 }).split('\n')
  expect(lines.length).toBeLessThan(24)
  expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(80)
  expect(lines[0]).toBe('gateway g: link sending, 0 alarms')
  // Nothing of the terminal is left empty while there is more to show.
  expect(lines.length).toBeGreaterThanOrEqual(22)
  expect(lines.some(line => line.startsWith('g/s-'))).toBe(true)
  expect(lines.some(line => line.startsWith('t.job-'))).toBe(jobs > 0)
})

test('top that is no terminal is as wide as it has to be', () => {
  expect(screen(edgeOf(1), undefined, new Rates(), {})).toMatch(/ reading$/)
})
