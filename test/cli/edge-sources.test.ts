import { copyFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { EdgeAnalysers } from '../../src/cli/edge-analysers.ts'
import { EdgeSources, settingsOf } from '../../src/cli/edge-sources.ts'
import { RetiredSources } from '../../src/cli/retired-sources.ts'
import { type CheckedPipeline, loadPipelines } from '../../src/config/load.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { collectGarbage } from '../../src/runtime/garbage.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { Bench } from '../buffer/harness.ts'
import { until } from '../support/until.ts'

let bench: Bench
beforeEach(() => {
  bench = new Bench()
})
afterEach(() => bench.end())

const PROFILE = new URL('../../hardware/devices/eastron-sdm120.yaml', import.meta.url)

function pipelinesOf(yaml: string): CheckedPipeline[] {
  const file = join(bench.folder, 'plant.yaml')
  writeFileSync(file, yaml)
  return loadPipelines([file])
}

/** `onUntap`: what happens while sources that change come to their end. */
async function sourcesOf(pipelines: readonly CheckedPipeline[], onUntap: () => void): Promise<EdgeSources> {
  const settings = settingsOf(pipelines).map(each => [each.source, each] as const)
  const tap = { take: () => {} }
  const analysers = { prepare: async () => undefined, tap: () => tap, untap: onUntap } as unknown as EdgeAnalysers
  return new EdgeSources({
    gateway: 'gw-1',
    folder: bench.folder,
    buffer: await bench.open({ sources: Object.fromEntries(settings) }),
    log: silentLogger,
    analysers,
    retired: RetiredSources.open(join(bench.folder, 'retired.json'), systemClock, silentLogger),
    pipelines,
  })
}

test('a source that cannot be begun at a reload left those behind it unstarted: it alone stands, says why, and begins with the next change', async () => {
  const profile = join(bench.folder, 'meter.yaml')
  copyFileSync(PROFILE, profile)
  const meter = `meter: { modbus: { tcp: '127.0.0.1:9', device: ${profile} } }`
  const generator = (rate: number) => `generator: { records_per_second: ${rate} }`
  const before = pipelinesOf(`pipeline: plant\nsources:\n  first: { ${generator(1)} }\n`)
  const after = pipelinesOf(
    `pipeline: plant\nsources:\n  first: { ${generator(2)} }\n  ${meter}\n  behind: { ${generator(1)} }\n`,
  )
  // What was checked a moment ago is gone when the source is to be begun.
  let isGoing = true
  const sources = await sourcesOf(before, () => {
    if (isGoing) rmSync(profile, { force: true })
  })
  await sources.apply(before)
  expect(await sources.apply(after)).toMatchObject({ started: ['behind'], restarted: ['first'] })
  expect(sources.names).toEqual(['first', 'behind'])
  expect(sources.whyNotBegun('meter')).toContain('meter.yaml cannot be used')
  isGoing = false
  copyFileSync(PROFILE, profile)
  expect(await sources.apply(after)).toMatchObject({ started: ['meter'] })
  expect(sources.whyNotBegun('meter')).toBeUndefined()
  await sources.stop()
})

test('what ended with a reload is let go of: the runner of each source that was ever removed was kept', async () => {
  const generator = 'generator: { records_per_second: 1 }'
  const rest = pipelinesOf(`pipeline: plant\nsources:\n  rest: { ${generator} }\n`)
  const both = pipelinesOf(`pipeline: plant\nsources:\n  rest: { ${generator} }\n  guest: { ${generator} }\n`)
  const sources = await sourcesOf(both, () => {})
  await sources.apply(both)
  const guest = new WeakRef(sources.get('guest')?.runner ?? {})
  expect(await sources.apply(rest)).toMatchObject({ removed: ['guest'] })
  await until('it is gone', () => {
    collectGarbage()
    return guest.deref() === undefined || undefined
  })
  await sources.stop()
})
