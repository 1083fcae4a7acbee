import { afterEach, beforeEach, expect, test } from 'vitest'
import { condition } from '../../src/analyser/condition.ts'
import type { AnalyserDefinition } from '../../src/reader/realtime/definition.ts'
import { AnalyserRunner } from '../../src/reader/realtime/runner.ts'
import type { FieldFacts } from '../../src/record/fields.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { until } from '../support/until.ts'
import { type Brokers, JobWorld } from './job-world.ts'

const SPAN = { from_ms: { type: 'number', unit: 'ms' }, to_ms: { type: 'number', unit: 'ms' } } as const
const OF_ONE = { gateway: { type: 'text' }, source: { type: 'text' } } as const

/** What the registry knows of the fields of derived streams, over the embedded log, or over Kafka. */
export function describeStreamFields(brokers?: Brokers): void {
  let world: JobWorld
  let runner: AnalyserRunner | undefined
  beforeEach(async () => {
    world = await new JobWorld(brokers).open()
  })
  afterEach(async () => {
    await runner?.stop()
    runner = undefined
    await world.close()
  })

  const definition = (name: string, given: Record<string, unknown>, sources = ['*']): AnalyserDefinition => {
    const options = condition.options.parse(given)
    const fieldsOf = (factsOf: (field: string) => FieldFacts) => condition.fieldsOf?.(options, 'source', factsOf) ?? {}
    const stream = { source: name, topic: 'plant', fieldsOf }
    const common = { id: `plant.${name}`, name, topic: 'plant', per: 'source', fingerprint: name, sinks: [] } as const
    return { ...common, sources, open: condition.open(options), stream }
  }
  const analyse = (definitions: readonly AnalyserDefinition[]) => {
    const { log, alarms } = world
    const owner = { core: 'core', instance: 'core-0' }
    const deps = { log, alarms, clock: systemClock, random: Math.random, logger: silentLogger }
    runner = new AnalyserRunner({ ...deps, definitions, sinks: new Map(), owner })
    runner.start()
  }
  const known = async (stream: string) => (await world.log.claimOf({ gateway: 'analysers', source: stream }))?.fields
  const tell = (source: string, fields: Record<string, FieldFacts>) =>
    world.log.describe([{ source: { gateway: 'g', source }, fields }])

  test('follow from those of its sources, also through a second analyser, and when they change', async () => {
    await world.lay('boiler', ['{"temp":20}'])
    await tell('boiler', { temp: { type: 'number', unit: '°C' } })
    analyse([
      definition('minutes', { every: '1m', values: { hot: 'max(temp)', n: 'records()', up: 'rate(temp)' } }),
      definition('hours', { every: '1h', values: { hottest: 'max(hot)' } }, ['analysers/minutes']),
    ])
    await until('the registry knows', async () => (await known('hours'))?.['hottest']?.unit === '°C')
    expect(await known('minutes')).toEqual({
      ...{ ...OF_ONE, ...SPAN },
      hot: { type: 'number', unit: '°C' },
      n: { type: 'number' },
      up: { type: 'number', unit: '°C/s' },
    })
    expect(await known('hours')).toEqual({ ...OF_ONE, ...SPAN, hottest: { type: 'number', unit: '°C' } })

    await tell('boiler', { temp: { type: 'number', unit: '°F' } })
    await until('the registry knows', async () => (await known('hours'))?.['hottest']?.unit === '°F')
    expect((await known('minutes'))?.['up']).toEqual({ type: 'number', unit: '°F/s' })
  })

  test('have no unit where sources have different ones', async () => {
    await world.lay('boiler', ['{"temp":20}'])
    await world.lay('oven', ['{"temp":400}'])
    await tell('boiler', { temp: { type: 'number', unit: '°C' } })
    await tell('oven', { temp: { type: 'number', unit: '°F' } })
    analyse([definition('minutes', { every: '1m', values: { hot: 'max(temp)' } })])
    await until('the registry knows', async () => (await known('minutes')) !== undefined)
    expect(await known('minutes')).toEqual({ ...OF_ONE, ...SPAN, hot: { type: 'number' } })
  })
}
