import { expect, test } from 'vitest'
import { SOURCE_KINDS } from '../../src/source/kinds.ts'
import { defineSource, type SourceContext, type SourceKind } from '../../src/source/source.ts'
import { SourceBench } from './harness.ts'

/** Gives what it is told to, with a bookmark. */
function givingKind(given: (context: SourceContext) => void, rereads: boolean): SourceKind {
  const generator = SOURCE_KINDS.find(({ kind }) => kind === 'generator')
  if (!generator) throw new Error('no generator')
  return {
    ...defineSource({
      ...generator,
      open: (_options, context) => {
        given(context)
        return { start: async () => {}, stop: async () => {}, pause: () => {}, resume: () => {} }
      },
    }),
    ...(rereads && { rereads }),
  }
}

test.each([
  [true, []],
  [false, ['one']],
])(
  'what waits for room when a source is changed: where it rereads is %s it is %j that goes to the next one',
  async (rereads, texts) => {
    const bench = new SourceBench()
    bench.full = true
    const runner = bench.start(
      givingKind(context => void setImmediate(() => context.message(Buffer.from('one'), 0, [], 'a note')), rereads),
      {},
    )
    await new Promise(resolve => setImmediate(() => setImmediate(resolve)))
    await runner.stop()
    expect(runner.leftovers().map(({ value }) => value.toString())).toEqual(texts)
    await bench.end()
  },
)

test('a record that no batch can hold is said to be: it was dropped as if there were no room', async () => {
  const bench = new SourceBench()
  const runner = bench.start(
    givingKind(context => void setImmediate(() => context.message(Buffer.alloc(1_000_000), 0)), false),
    {},
  )
  await new Promise(resolve => setImmediate(() => setImmediate(resolve)))
  expect(runner.status().trouble).toEqual({ 'a record was larger than a batch may be': 1 })
  await bench.end()
})
