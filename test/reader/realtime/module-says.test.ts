import { expect, test } from 'vitest'
import { type AnalyserContext, type AnalyserModule, defineAnalyser } from '../../../src/analyser/define-analyser.ts'
import { openModule } from '../../../src/analyser/module.ts'
import { SampleRun } from '../../../src/analyser/sample-run.ts'
import type { AnalyserDefinition } from '../../../src/reader/realtime/definition.ts'
import { ShardState } from '../../../src/reader/realtime/shard-state.ts'
import { MemoryKeeper, PUMP, PUMP_KEY, sampleAt } from '../../support/watches.ts'

const LATER_MS = 60_000

interface Counter {
  count: number
  odd?: unknown
}

function definitionOf(name: string, onRecord: (state: Counter, context: AnalyserContext) => void): AnalyserDefinition {
  const module = defineAnalyser<Counter>({
    initial: () => ({ count: 0 }),
    onRecord: (_, state, context) => onRecord(state, context),
  })
  return {
    ...{ id: `p.${name}`, name, topic: 'p', sources: ['*'], per: 'source', fingerprint: 'f', sinks: ['phone'] },
    open: openModule(module as AnalyserModule),
    stream: { source: name, topic: 'p', fieldsOf: () => ({}) },
  }
}

/** Both read three records, and what they said is kept. */
async function say(onRecord: (state: Counter, context: AnalyserContext) => void) {
  const keeper = new MemoryKeeper()
  const shard = new ShardState(keeper, null)
  const odd = shard.watchFor(definitionOf('odd', onRecord), PUMP, PUMP_KEY, 0)
  const plain = shard.watchFor(
    definitionOf('plain', (_, { alert }) => alert({ message: 'so it is' })),
    PUMP,
    PUMP_KEY,
    0,
  )
  const samples = [1, 2, 3].map(sequence => ({ ...sampleAt(sequence), value: Buffer.from('{}') }))
  for (const watch of [odd, plain]) watch.take(new SampleRun(samples), 0)
  const told: string[] = []
  await shard.keep({ monotonicMs: LATER_MS }, ({ name }) => void told.push(name))
  return { shard, odd, told }
}

test('what a module emits is what it was then: each record was the state as it was when all was kept', async () => {
  const { shard } = await say((state, { emit, alert }) => {
    state.count += 1
    emit(state)
    alert({ message: 'counted', values: state as unknown as Record<string, number> })
  })
  expect(shard.streams.get('p.odd')?.derived.map(({ value }) => value)).toEqual(['{"count":1}', '{"count":2}', '{"count":3}'])
  const values = shard.outbox
    .all()
    .flatMap(({ alert: { analyser, json } }) => (analyser === 'odd' ? [JSON.parse(json).values] : []))
  expect(values).toEqual([{ count: 1 }, { count: 2 }, { count: 3 }])
})

test.each<[string, (state: Counter, context: AnalyserContext) => void]>([
  ['emits what is no JSON', (_, { emit }) => emit({ total: 1n })],
  ['emits at no time', (_, { emit }) => emit({}, Number.NaN)],
  ['emits more than fits a message', (_, { emit }) => emit('x'.repeat(2 ** 20))],
  ['says values that are no JSON', (_, { alert }) => alert({ message: 'odd', values: { total: 1n as unknown as number } })],
  ['has a state that is no JSON', state => void Object.assign(state, { odd: state })],
])('a module that %s stands still, and the others are kept: nothing of the core was any more', async (_, onRecord) => {
  const { odd, told } = await say(onRecord)
  expect(odd.failure).toBeDefined()
  expect(told).toEqual(['plain', 'plain', 'plain'])
})
