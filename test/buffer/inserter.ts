/** Inserts numbers for ever, some cut at once and some not, and prints each last number that is on disk. Killed by its test. */
import { BUFFER_LIMITS, type BufferLimits } from '../../src/buffer/limits.ts'
import { openEdgeBuffer } from '../../src/buffer/open.ts'
import { Alarms } from '../../src/runtime/alarms.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'

const [folder = '', worker = 'inline', from = '0', limits = '{}'] = process.argv.slice(2)
const source = { source: 'pump-1', topic: 'plant', whenFull: 'block', priority: 0, durabilityMs: 0 } as const
const buffer = await openEdgeBuffer({
  stateDir: `${folder}/edge`,
  gateway: 'plant-a-1',
  quotaBytes: 2 ** 28,
  rewindBytes: 2 ** 26,
  sources: [source],
  clock: systemClock,
  random: Math.random,
  log: silentLogger,
  alarms: new Alarms(systemClock),
  worker: worker === 'thread' ? 'thread' : 'inline',
  limits: { ...BUFFER_LIMITS, ...(JSON.parse(limits) as Partial<BufferLimits>) },
})
const outlet = buffer.outlet('pump-1')
await outlet?.assign({ log: 'log-1', topic: 'plant', partition: 0, producerId: 7, epoch: 0, epochStart: 0 })
buffer.attachLink(() => {})
const inlet = buffer.inlet('pump-1')
const RECORDS_A_ROUND = 20
for (let number = Number(from); ; number++) {
  const bytes = Buffer.from(String(number))
  inlet.append(Date.now(), bytes, 0, bytes.length)
  if (number % RECORDS_A_ROUND === 0) {
    await inlet.stored()
    // What is taken makes room for the next batch: some rounds are cut at once, others are merged.
    if (number % (2 * RECORDS_A_ROUND) === 0) outlet?.take()
    process.stdout.write(`${number}\n`)
  }
}
