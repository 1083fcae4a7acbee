import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { EdgeAnalysers } from '../../src/cli/edge-analysers.ts'
import { edgeSchema } from '../../src/config/edge.ts'
import { type LoadedPipeline, loadPipelines } from '../../src/config/load.ts'
import type { Tap } from '../../src/reader/realtime/gateway-runner.ts'
import type { Fields } from '../../src/record/fields.ts'
import { Alarms } from '../../src/runtime/alarms.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { type Logger, silentLogger } from '../../src/runtime/logger.ts'
import { SeededRandom, seedOfRun } from '../support/random.ts'
import { until } from '../support/until.ts'

/** Says what was missed or seen twice, and when the last has come. */
const COUNTING = `export default {
  initial: () => ({ next: 0 }),
  onRecord({ fields }, state, { alert }) {
    if (fields.n !== state.next) alert({ message: 'hole at ' + state.next + ', ' + fields.n + ' came' })
    state.next = fields.n + 1
    if (fields.last) alert({ message: 'all seen' })
  },
}
`
const COUNTS = 'counts: { on: gateway, module: counting.ts, sources: [meter] }'
const HIGH = (limit: number) => `high: { on: gateway, when: "n > ${limit}", sources: [meter] }`

let folder: string
let analysers: EdgeAnalysers
let alarms: Alarms
let said: string[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-edge-analysers-'))
  writeFileSync(join(folder, 'counting.ts'), COUNTING)
  said = []
  alarms = new Alarms(systemClock)
})
afterEach(async () => {
  await analysers.stop()
  rmSync(folder, { recursive: true, force: true })
})

function pipelines(own: readonly string[], sources: readonly string[] = ['meter']): LoadedPipeline[] {
  const file = join(folder, 'p.yaml')
  const named = sources.map(name => `  ${name}: { generator: {} }\n`).join('')
  const block = own.length === 0 ? '' : `analysers:\n${own.map(line => `  ${line}\n`).join('')}`
  writeFileSync(file, `pipeline: plant\nsources:\n${named}${block}`)
  return loadPipelines([file])
}

async function open(own: readonly string[], sources?: readonly string[]): Promise<void> {
  const logger: Logger = {
    ...silentLogger,
    warn: (fields, message) => void said.push(`${(fields as { analyser: string }).analyser}: ${message}`),
  }
  const config = edgeSchema.parse({
    gateway: 'plant-a-1',
    state: folder,
    uplink: { url: 'amqp://127.0.0.1:1' },
    pipelines: ['p.yaml'],
  })
  analysers = await EdgeAnalysers.load(pipelines(own, sources), { config, clock: systemClock, logger, alarms })
  await analysers.start()
}

/** What a source would bring, number by number. */
class Meter {
  readonly #tap: Tap
  n = 0

  constructor(stored: () => Promise<void> = async () => {}, fields: () => Fields = () => ({})) {
    this.#tap = analysers.tap('meter', 'plant', { stored, fields })
  }

  bring(more: object = {}): void {
    const bytes = Buffer.from(JSON.stringify({ n: this.n++, ...more }))
    this.#tap.take(systemClock.wallMs(), bytes, 0, bytes.length)
  }
}

const tick = () => new Promise(resolve => setImmediate(resolve))

async function take(own: readonly string[], sources?: readonly string[]): Promise<void> {
  await (await analysers.prepare(pipelines(own, sources)))?.()
}

const states = () => analysers.status().map(({ analyser, sources }) => `${analyser} ${sources}`)

describe('analysers that change while their source is read', () => {
  test('miss nothing and see nothing twice, whenever they are changed', async () => {
    const random = new SeededRandom(seedOfRun('changed analysers'))
    await open([COUNTS, HIGH(1_000_000)])
    // The disk takes its time, sometimes longer than the change.
    const meter = new Meter(async () => {
      for (let ticks = random.between(0, 20); ticks > 0; ticks--) await tick()
    })
    for (let change = 0; change < 12; change++) {
      for (let records = random.between(1, 40); records > 0; records--) meter.bring()
      for (let ticks = random.between(0, 10); ticks > 0; ticks--) await tick()
      const changed = take([COUNTS, HIGH(2_000_000 + change)])
      for (let bursts = random.between(1, 30); bursts > 0; bursts--) {
        meter.bring()
        await tick()
      }
      await changed
    }
    meter.bring({ last: true })
    await until('all of it was seen', () => said.includes('counts: all seen'))
    expect(said).toEqual(['counts: all seen'])
  })

  test('the check sees one record that is missed', async () => {
    await open([COUNTS])
    const meter = new Meter()
    meter.bring()
    meter.n += 1
    await take([COUNTS, HIGH(5)])
    meter.bring({ last: true })
    await until('the end', () => said.includes('counts: all seen'))
    expect(said).toEqual(['counts: hole at 1, 2 came', 'counts: all seen'])
  })

  test('a new one begins, one that was taken away says nothing more, and one that stays has said it already', async () => {
    await open([HIGH(3)])
    const meter = new Meter()
    for (let count = 0; count < 6; count++) meter.bring()
    await until('it is told', () => said.length === 1)
    await take([HIGH(3), 'low: { on: gateway, when: "n < 10" }'])
    expect(states()).toEqual(['high 1', 'low 1'])
    meter.bring()
    await until('the new one has told as well', () => said.length === 2)
    expect(said[1]).toContain('low')
    await take([])
    expect(states()).toEqual([])
    meter.bring()
    await take([HIGH(3)])
    meter.bring()
    await tick()
    expect(said).toHaveLength(2)
  })

  test('say the units of the fields as they are known on the gateway now', async () => {
    await open([HIGH(2)])
    let unit = 'pcs'
    const meter = new Meter(undefined, () => ({ n: { unit } }))
    for (let records = 0; records < 4; records++) meter.bring()
    await until('it is said', () => said.length === 1)
    expect(said[0]).toMatch(/n = 3 pcs$/)
    unit = 'kg'
    meter.n = 0
    meter.bring()
    await until('its end is said', () => said.length === 2)
    expect(said[1]).toMatch(/n = 0 kg$/)
  })

  test('a source that is not read any more is not missed', async () => {
    await open(['quiet: { on: gateway, silence: 1s }'], ['meter', 'gone'])
    const meter = new Meter()
    const gone = analysers.tap('gone', 'plant', { stored: async () => {}, fields: () => undefined })
    gone.take(systemClock.wallMs(), Buffer.from('{}'), 0, 2)
    meter.bring()
    analysers.untap('gone')
    await take(['quiet: { on: gateway, silence: 1s }'], ['meter'])
    await until('the one that is still there is missed', () => said.length > 0)
    expect(said.join()).toContain('meter')
    expect(said.join()).not.toContain('gone')
  })

  test('a module that cannot be loaded changes nothing; a failure is over once it is taken away', async () => {
    writeFileSync(join(folder, 'throws.ts'), COUNTING.replace('onRecord({', 'onRecord() { throw new Error("no") }, unused({'))
    const throws = 'throws: { on: gateway, module: throws.ts }'
    await open([throws])
    const meter = new Meter()
    meter.bring()
    await until('its failure is said', () => alarms.list().some(({ code }) => code === 'analyser_failed'))
    await expect(analysers.prepare(pipelines(['other: { on: gateway, module: nowhere.ts }']))).rejects.toThrow(
      /module nowhere\.ts cannot be loaded/,
    )
    expect(states()).toEqual(['throws 1'])
    await take([HIGH(3)])
    expect(alarms.list()).toEqual([])
  })

  test('state that cannot be opened is said, and sources are read on', async () => {
    await open([])
    const meter = new Meter()
    writeFileSync(join(folder, 'edge'), 'a file where the directory should be')
    await take([HIGH(3)])
    expect(alarms.list()).toMatchObject([{ code: 'analysers_stalled' }])
    meter.bring()
    rmSync(join(folder, 'edge'))
    await take([HIGH(3)])
    expect(alarms.list()).toEqual([])
    for (let count = 0; count < 6; count++) meter.bring()
    await until('it is told', () => said.some(message => message.includes('high')))
  })
})
