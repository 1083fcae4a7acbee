import { afterEach, describe, test } from 'vitest'
import type { HeadraceProcess } from '../support/headrace-process.ts'
import { SeededRandom, seedOfRun } from '../support/random.ts'
import { until } from '../support/until.ts'
import { LIMIT_MS, SHARDS, Works } from './analyser-works.ts'

describe('analysers whose core is killed in the middle', () => {
  let works: Works
  afterEach(() => works?.end())

  test('go on with the same windows on the SQLite log; each derived record is there once, in order, and each alert is told', async () => {
    const seed = seedOfRun('analysers killed on SQLite')
    works = await Works.onSqlite(seed)
    const random = new SeededRandom(seed)
    const core = works.cores.get('core-a') as HeadraceProcess
    core.start()
    await works.shared(SHARDS)
    for (let round = 0; round < 4; round++) {
      for (let chunk = 0; chunk < 6; chunk++) await works.write(random.between(3, 17))
      const reached = random.between(0, works.expectedWindows().length)
      await until('some windows are derived', async () => (await works.derivedCount()) >= reached, LIMIT_MS)
      await core.kill9()
      await works.write(random.between(3, 17))
      core.start()
    }
    await works.verify()
  })
})
