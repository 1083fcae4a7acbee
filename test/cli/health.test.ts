import { describe, expect, test } from 'vitest'
import { checkFlow, type Flow, type Health, type RoleStatus, worseThan } from '../../src/cli/flow-check.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'

/** What a gateway says of itself, as far as it is looked at. */
function edge(read: number, settled: number, more: { version?: string; state?: string } = {}): RoleStatus {
  const { version = '1.0.0', state = 'reading' } = more
  return { role: 'edge', version, sources: [{ source: 'pump', state, read, settled }] } as unknown as RoleStatus
}

/** What a core says: the end of each partition, or null where its broker does not answer. */
function core(ends: Readonly<Record<string, number | null>>): RoleStatus {
  const sources = Object.entries(ends).map(([source, next]) => ({ source, next }))
  return { role: 'core', version: '1.0.0', sources } as unknown as RoleStatus
}

/** Asks a process that says these things one after another, and the last one from then on. */
async function look(answers: readonly (RoleStatus | undefined)[], wanted: Flow): Promise<Health> {
  let asked = 0
  const ask = async () => answers[Math.min(asked++, answers.length - 1)]
  const clock = new SimulatedClock()
  const seen = checkFlow({ role: 'edge', ask, withinMs: 2_000, clock, enough: ({ flow }) => flow === wanted })
  await clock.pass(3_000)
  return seen
}

describe('how records move', () => {
  test('settling: the log has more than before', async () => {
    expect(await look([edge(5, 5), edge(6, 6)], 'settling')).toMatchObject({ flow: 'settling', version: '1.0.0' })
  })
  test('reading: more was read, and the log has no more', async () => {
    expect(await look([edge(5, 5), edge(9, 5)], 'reading')).toMatchObject({ flow: 'reading' })
  })
  test('running: a process answers, and nothing moves', async () => {
    expect(await look([edge(5, 5)], 'settling')).toMatchObject({ flow: 'running' })
  })
  test('down: nobody answers any more', async () => {
    expect(await look([edge(5, 5), edge(6, 6), undefined], 'down')).toMatchObject({ flow: 'down' })
  })
  test('running: a partition answers that did not at first, and nothing came into it', async () => {
    const answers = [core({ 'g/a': null, 'g/b': 7 }), core({ 'g/a': 5_000, 'g/b': 7 })]
    expect(await look(answers, 'settling')).toMatchObject({ flow: 'running' })
  })
  test('settling: records come into one partition while another does not answer any more', async () => {
    const answers = [core({ 'g/a': 5_000, 'g/b': 7 }), core({ 'g/a': null, 'g/b': 8 })]
    expect(await look(answers, 'settling')).toMatchObject({ flow: 'settling' })
  })
  test('what another process did before does not count for the one that was started since', async () => {
    expect(await look([edge(500, 500), edge(1, 501)], 'settling')).toMatchObject({ flow: 'running' })
  })
})

describe('worse than before', () => {
  const health = (flow: Flow, more: Partial<Health> = {}): Health => ({
    role: 'edge',
    version: '1.0.0',
    flow,
    frozen: [],
    ...more,
  })
  test.each([
    ['settling', 'reading', /was settling, and is only reading/],
    ['reading', 'running', /was reading, and is only running/],
    ['running', 'down', /no edge answers/],
  ] as const)('%s, then %s', (before, now, why) => expect(worseThan(health(before), health(now))).toMatch(why))
  test('another version than was to run', () =>
    expect(worseThan(health('running'), health('settling'), '1.1.0')).toMatch(/is version 1\.0\.0, not 1\.1\.0/))
  test('a source that waits for a person, and did not', () =>
    expect(worseThan(health('settling'), health('settling', { frozen: ['pump'] }))).toMatch(/pump waits/))
  test.each(['settling', 'reading', 'running'] as const)('not: %s as before, or better', before => {
    expect(worseThan(health(before), health(before))).toBeUndefined()
    expect(worseThan(health(before), health('settling'))).toBeUndefined()
  })
})
