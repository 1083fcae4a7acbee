import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { headrace } from '../support/headrace-process.ts'
import { until } from '../support/until.ts'
import { countTo, linesOf, sequencesOf, Up, type UpStatus } from './up-process.ts'

/** A command that keeps what it was handed, whole or not at all. */
const COLLECT = 'cat > "out/$HEADRACE_RUN_ID.part" && mv "out/$HEADRACE_RUN_ID.part" "out/$HEADRACE_RUN_ID"'
const RECORDS = 1_500

const pipeline = (generator: string) => `pipeline: plant
sources:
  a: { generator: { ${generator} } }
  b: { generator: { ${generator}, seed: 2 } }
batch:
  all: { run: [./collect.sh] }
`

let up: Up
afterEach(() => up.end())

function start(generator: string): Promise<void> {
  up = new Up(pipeline(generator), { 'collect.sh': COLLECT })
  return up.start()
}

/** Runs the job over everything in the log. */
async function readAll() {
  const { outcome, run } = await up.json<{ outcome: string; run: { id: string; records: number } }>('batch', 'run', 'all')
  expect(outcome).toBe('done')
  const lines = linesOf(up.read(join('out', run.id)))
  expect(lines).toHaveLength(run.records)
  return lines
}

/** What the generator made as its n-th record is the source's n-th record. */
async function expectEveryRecordOnce(): Promise<void> {
  const lines = await readAll()
  expect(sequencesOf(lines)).toEqual({ a: countTo(RECORDS), b: countTo(RECORDS) })
  expect(lines.filter(({ seq, value }) => (value as { n: number }).n !== seq)).toEqual([])
}

const someSettled = (of: Up) =>
  until('some records are settled', async () => {
    const { edge } = await of.status()
    return edge.sources.every(({ settled }) => settled > 0) && edge.sources
  })

describe('sources of two generators', () => {
  test('come to the log whole, and status, tail and batch agree on it', async () => {
    await start(`records_per_second: 2000, count: ${RECORDS}`)
    const { edge, core } = await up.drained(RECORDS)
    expect(edge).toMatchObject({ role: 'edge', gateway: 'plant-a-1', running: true, alarms: [] })
    for (const source of edge.sources) {
      expect(source).toMatchObject({ pipeline: 'plant', topic: 'plant', read: RECORDS, dropped: 0, decode_errors: 0 })
      expect(source.buffered).toMatchObject({ records: 0, oldest: null })
    }
    expect(core).toMatchObject({ role: 'core', log: { engine: 'sqlite' }, gateways: [{ gateway: 'plant-a-1' }], alarms: [] })
    const places = core.sources.map(({ source, partition, next }) => ({ source, partition, next }))
    expect(places).toHaveLength(2)
    for (const source of ['a', 'b']) {
      const partition = edge.sources.find(each => each.source === source)?.partition
      expect(places).toContainEqual({ source: `plant-a-1/${source}`, partition, next: RECORDS })
    }

    const tail = up.follow('tail', 'a', '--last', '5', '--json')
    await until('five lines', () => tail.lines().length >= 5)
    expect(tail.lines().map(({ source, seq, value }) => [source, seq, (value as { n: number }).n])).toEqual(
      countTo(RECORDS, RECORDS - 5).map(seq => ['a', seq, seq]),
    )
    expect(await tail.process.stop()).toBe(0)

    const human = await up.run('status')
    expect(human.stdout).toMatch(/^gateway plant-a-1: link /)
    expect(human.stdout).toMatch(new RegExp(`^a +stopped +${RECORDS} .* ${RECORDS} +plant\\[\\d\\]`, 'm'))
    await expectEveryRecordOnce()
  })

  test('go on after SIGTERM as if nothing had been, and the end is a good one', async () => {
    await start(`records_per_second: 400, count: ${RECORDS}`)
    const before = await someSettled(up)
    expect(before.some(({ next }) => next < RECORDS)).toBe(true)
    expect(await up.process.stop()).toBe(0)
    expect(await up.json('status')).toEqual({ running: false })
    await up.start()
    await up.drained(RECORDS)
    await expectEveryRecordOnce()
  })

  test('go on after kill -9 as if nothing had been', async () => {
    await start(`records_per_second: 400, count: ${RECORDS}`)
    const before = await someSettled(up)
    expect(before.some(({ next }) => next < RECORDS)).toBe(true)
    await up.process.kill9()
    await up.start()
    await up.drained(RECORDS)
    await expectEveryRecordOnce()
  })
})

test('a second one on the same state is refused, says why, and does the first no harm', async () => {
  await start('records_per_second: 100')
  await someSettled(up)
  const second = await headrace(up.args)
  expect(second).toEqual({
    code: 1,
    stdout: '',
    stderr: `headrace: ${join(up.state, 'core')} is used by another process\nOnly one process may use a state directory. End the other one, or choose another directory.\n`,
  })
  const settledOf = (status: UpStatus) => status.edge.sources.map(({ settled }) => settled)
  const [before = 0] = settledOf(await up.status())
  await until('the first goes on', async () => (settledOf(await up.status())[0] ?? 0) > before)
  expect(await up.process.stop()).toBe(0)
})
