import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { SeededRandom, seedOfRun } from '../support/random.ts'
import { prove } from './prove.ts'
import { record } from './recording.ts'
import { hasStrace } from './strace.ts'

const LIMIT_MS = 600_000
const seed = seedOfRun('many power cuts')

/** Processes with one protection switched off. */
const BROKEN = ['without-database-sync', 'without-file-sync'] as const

describe.skipIf(!hasStrace())('the power goes at any moment of a long run with restarts', () => {
  test(
    'what was acknowledged survives, also while logs are brought into their databases',
    async () => {
      // So many commits fill the write-ahead logs of both databases more than once.
      const recording = await record({ runs: 2, posts: 400 })
      try {
        const { states, found, stored } = await prove(recording, { states: 1_000, random: new SeededRandom(seed) })
        console.log(`${recording.events.length} events, ${states} states, ${stored} values acknowledged`)
        expect(found).toEqual([])
        expect(states).toBeGreaterThan(300)
        const broughtIn = recording.events.filter(each => each.kind === 'write' && /(buffer|log)\.db$/.test(each.path))
        expect(broughtIn.length).toBeGreaterThan(20)
      } finally {
        recording.end()
      }
    },
    LIMIT_MS,
  )

  test.each(BROKEN)('control: a process %s loses what it acknowledged', { timeout: LIMIT_MS }, async broken => {
    const preload = fileURLToPath(new URL(`./broken/${broken}.ts`, import.meta.url))
    const recording = await record({ runs: 1, posts: 60, nodeArgs: ['--import', preload] })
    try {
      const { found } = await prove(recording, { states: 1_000, random: new SeededRandom(seed), untilFound: true })
      console.log(`${broken}: ${JSON.stringify(found)}`)
      expect(found).toHaveLength(1)
    } finally {
      recording.end()
    }
  })
})
